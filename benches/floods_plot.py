#!/usr/bin/env python3
"""Draws the resident memory of floods as an SVG line chart.

Reads lines of "flood,packets,heap octets,resident octets", as `WAYSIDE_FLOOD_OUT` of tests/floods.rs writes them:

    python3 benches/floods_plot.py floods.csv docs/floods.svg
"""

import csv
import sys
from collections import defaultdict

WIDTH, HEIGHT = 860, 440
LEFT, RIGHT, TOP, BOTTOM = 60, 200, 46, 50
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#8f5fa8", "#b8860b", "#3b8f8f", "#666666"]


def nice(most):
    """A round step that divides an axis into four to eight parts."""
    step = 1
    while most / step > 8:
        step *= 2 if str(step)[0] in "15" else 2.5
    return int(step)


def main(source, target):
    floods = defaultdict(list)
    with open(source, newline="") as lines:
        for name, packets, _heap, resident in csv.reader(lines):
            floods[name].append((int(packets), int(resident) / 2**20))
    most_packets = max(points[-1][0] for points in floods.values())
    most_memory = max(memory for points in floods.values() for _, memory in points)
    step = nice(most_memory)
    top = (int(most_memory / step) + 1) * step

    def x(packets):
        return LEFT + packets / most_packets * (WIDTH - LEFT - RIGHT)

    def y(memory):
        return HEIGHT - BOTTOM - memory / top * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="16" fill="#222">Resident memory during floods of made packets, MiB</text>',
    ]
    for memory in range(0, top + 1, step):
        out.append(f'<path d="M{LEFT} {y(memory):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(memory) + 4:.1f}" text-anchor="end" fill="#444">{memory}</text>')
    parts = nice(most_packets / 1e6)
    for millions in range(0, int(most_packets / 1e6) + 1, parts):
        out.append(f'<text x="{x(millions * 1e6):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#444">{millions}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle" fill="#444">packets, millions</text>')
    # Labels stand beside the ends of their lines, pushed apart where they would touch.
    last = None
    ordered = sorted(floods.items(), key=lambda flood: -flood[1][-1][1])
    for place, (name, points) in enumerate(ordered):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{x(packets):.1f},{y(memory):.1f}" for packets, memory in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        end_x, end_y = x(points[-1][0]), y(points[-1][1])
        label = end_y if last is None else max(end_y, last + 17)
        last = label
        out.append(f'<path d="M{end_x:.1f} {end_y:.1f}L{WIDTH - RIGHT + 14} {label:.1f}" stroke="{colour}" stroke-width="0.8"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 18}" y="{label + 4:.1f}" fill="{colour}">{name}</text>')
    out.append("</svg>")
    with open(target, "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
