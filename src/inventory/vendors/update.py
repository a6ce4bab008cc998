"""Makes registry.zst from the IEEE's lists of assigned MAC address blocks.

    for list in oui/oui oui28/mam oui36/oui36 iab/iab; do
        curl -fLO https://standards-oui.ieee.org/$list.csv
    done
    python3 update.py oui.csv mam.csv oui36.csv iab.csv

Each line of what is packed is a prefix in hexadecimal (6, 7 or 9 digits), a space and who has it, sorted by prefix.
"""

import csv
import pathlib
import subprocess
import sys

NOBODY = ("IEEE Registration Authority", "Private")

names = {}
for path in sys.argv[1:]:
    with open(path, newline="", encoding="utf-8", errors="replace") as rows:
        for row in csv.DictReader(rows):
            name = " ".join(row["Organization Name"].split())
            if name and name not in NOBODY:
                names.setdefault(row["Assignment"].strip().upper(), name)
lines = "".join(f"{prefix} {name}\n" for prefix, name in sorted(names.items()))
target = pathlib.Path(__file__).with_name("registry.zst")
subprocess.run(["zstd", "-q", "-f", "--ultra", "-22", "-o", target], input=lines.encode(), check=True)
print(f"{len(names)} blocks, {target.stat().st_size} octets")
