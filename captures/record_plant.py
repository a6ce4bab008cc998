#!/usr/bin/env python3
"""Records the simulated plant of `wayside demo` through its whole story, at the pace of life (46 s).

    python3 captures/record_plant.py [FILE]     # as root; default: captures/demo-plant.pcap

Needs cargo and tcpdump. Everything stays on loopback.
"""

import pathlib
import subprocess
import sys

from tcpdump import recording

HERE = pathlib.Path(__file__).parent
PLANT = ["cargo", "run", "--quiet", "--", "demo", "--plant-only"]
FILTER = "tcp and (net 127.20.0.0/16 or net 127.30.0.0/16)"


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else str(HERE / "demo-plant.pcap")
    subprocess.run(["cargo", "build", "--quiet"], cwd=HERE.parent, check=True)
    with recording(path, FILTER):
        subprocess.run(PLANT, cwd=HERE.parent, check=True)
    print(f"recorded to {path}")


if __name__ == "__main__":
    main()
