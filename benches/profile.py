#!/usr/bin/env python3
"""Draw where the instructions of a replay go, by module of the source: docs/profile.svg.

    benches/profile.py [CAPTURE] [-o FILE.svg]      after `make bench-guard`, which makes the capture

Each use of the pipeline is one bar. callgrind tells the source file of every instruction, also of those that were
inlined elsewhere; what comes from the standard library or a crate counts for the function of ours that it is part of.
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile
from html import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/wayside"
MODULES = ["capture", "packet", "stream", "sensor", "protocol", "policy", "event", "alert", "C library, start, others"]
COLOURS = ["#4c78a8", "#72b7b2", "#54a24b", "#b8b0ac", "#eeca3b", "#f58518", "#e45756", "#b279a2", "#d5d5d5"]
OURS = {"metrics": "sensor", "output": "event", "cli": "capture", "address": "stream"}


def module(text):
    """The module of a source path or a function name, or None where it is not ours."""
    found = re.search(r"(?:^|/)src/(\w+)(?:\.rs|/\S*\.rs)$", text) or re.search(r"wayside::(\w+)", text)
    name = found and OURS.get(found[1], found[1])
    return name if name in MODULES else None


def counts(path):
    """Instructions by module in callgrind's output, and their sum."""
    names, sums = {}, collections.Counter()
    file = function = ""
    called = False
    for line in open(path, errors="replace"):
        head = re.match(r"(fl|fi|fe|fn|cfn|cfi|cfl|ob|cob)=(\(\d+\))?\s*(.*)", line)
        if head:
            kind, number, name = head.groups()
            table = "fn" if kind in ("fn", "cfn") else "ob" if kind in ("ob", "cob") else "fl"
            if number and name.strip():
                names[table, number] = name.strip()
            name = names.get((table, number), name.strip()) if number else name.strip()
            if kind in ("fl", "fi", "fe"):
                file = name
            elif kind == "fn":
                function = name
        elif line.startswith("calls="):
            called = True
        elif re.match(r"[+*\-\d]", line):
            if not called:
                in_crate = "/registry/" in file or "/rustc/" in file or not file.endswith(".rs")
                where = (None if in_crate else module(file)) or module(function)
                sums[where or MODULES[-1]] += int(line.split()[1])
            called = False
    return sums


def profile(arguments):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", BINARY, "replay", "--quiet", *arguments],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return counts(out.name)


def packets(capture):
    count = capture.with_suffix(".packets")
    return int(count.read_text()) if count.exists() else None


def draw(bars, total, unit):
    width, left, height = 640, 190, 34
    most = max(sum(sums.values()) for _, sums in bars)
    rows = []
    for row, (name, sums) in enumerate(bars):
        y, x = 30 + row * (height + 16), left
        rows.append(f'<text x="{left - 10}" y="{y + 21}" text-anchor="end">{escape(name)}</text>')
        for title, colour in zip(MODULES, COLOURS):
            part = sums[title] * width / most
            share = sums[title] * 100 / sum(sums.values())
            rows.append(f'<rect x="{x:.1f}" y="{y}" width="{part:.1f}" height="{height}" fill="{colour}">'
                        f"<title>{escape(title)}: {share:.0f} %, {sums[title] / total:.0f} {unit}</title></rect>")
            if part > 34:
                rows.append(f'<text x="{x + part / 2:.1f}" y="{y + 21}" text-anchor="middle">{share:.0f} %</text>')
            x += part
        rows.append(f'<text x="{x + 8:.1f}" y="{y + 21}">{sum(sums.values()) / total:,.0f}</text>')
    y = 44 + len(bars) * (height + 16)
    rows.append(f'<text x="{left}" y="18">{escape(unit)}, by module</text>')
    for at, (title, colour) in enumerate(zip(MODULES, COLOURS)):
        x, row = left + at % 5 * 120, y + at // 5 * 22
        rows.append(f'<rect x="{x}" y="{row}" width="14" height="14" fill="{colour}"/>'
                    f'<text x="{x + 20}" y="{row + 12}">{escape(title)}</text>')
    size = f'width="{left + width + 70}" height="{y + 56}" viewBox="0 0 {left + width + 70} {y + 56}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">\n'
            '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(rows) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", nargs="?", type=pathlib.Path, help="default: the dense mix of make bench, shortened")
    parser.add_argument("-o", dest="out", type=pathlib.Path, default=ROOT / "docs/profile.svg")
    options = parser.parse_args()
    made = ROOT / "target/tmp/bench"
    capture = options.capture or made / "mix/dense-60000.pcap"
    rules = made / "rules-1000.toml"
    for path in (BINARY, capture, rules):
        if not path.exists():
            sys.exit(f"profile.py: {path} is not there; run make bench-guard first")
    judged = ["--rules", rules, "--alerts", "/dev/null"]
    bars = [("decode", profile([capture])), ("1,000 rules", profile([*judged, capture])),
            ("every event as JSON", profile(["--events", "/dev/null", capture]))]
    total = packets(capture)
    options.out.write_text(draw(bars, total or 1e6, "instructions a packet" if total else "million instructions"))
    for name, sums in bars:
        all_of_it = sum(sums.values())
        parts = ", ".join(f"{title} {sums[title] * 100 / all_of_it:.0f} %" for title in MODULES if sums[title])
        print(f"{name}: {all_of_it / (total or 1e6):,.0f}: {parts}")


if __name__ == "__main__":
    main()
