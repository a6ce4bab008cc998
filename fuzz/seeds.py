"""Seeds for the fuzz targets: payloads of captures, whole small captures and the example rules.

    python3 fuzz/seeds.py [FOLDER ...]     captures/ is always read; FOLDERs of more captures may be named

They go to fuzz/corpus/TARGET, which is not committed. Only Ethernet, IPv4, TCP and UDP are read here, without
reassembly: enough for seeds.
"""

import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
PORTS = {502: "modbus", 20000: "dnp3"}
STREAM, DATAGRAM, FRAMED = 0, 6, 4
LARGEST_CAPTURE = 20_000
LARGEST_CONVERSATION = 4_000


def frames(octets):
    """The Ethernet frames of a pcap or pcapng file."""
    if octets[:4] == b"\x0a\x0d\x0d\x0a":
        order = "<" if octets[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
        at = 0
        while at + 12 <= len(octets):
            kind, length = struct.unpack_from(order + "II", octets, at)
            if kind == 6:
                (captured,) = struct.unpack_from(order + "I", octets, at + 20)
                yield octets[at + 28 : at + 28 + captured]
            at += max(length, 12)
        return
    order = "<" if octets[:1] in (b"\xd4", b"\x4d") else ">"
    at = 24
    while at + 16 <= len(octets):
        _, _, captured, _ = struct.unpack_from(order + "IIII", octets, at)
        yield octets[at + 16 : at + 16 + captured]
        at += 16 + captured


def payload(frame):
    """Protocol, ends and payload of a TCP or UDP packet over IPv4, or None."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 34:
        return None
    ip = frame[14 : 14 + struct.unpack_from(">H", frame, 16)[0]]
    rest = ip[(ip[0] & 15) * 4 :]
    if len(rest) < 8 or ip[9] not in (6, 17):
        return None
    source, destination = struct.unpack_from(">HH", rest)
    data = rest[8:] if ip[9] == 17 else rest[(rest[12] >> 4) * 4 :] if len(rest) > 12 else b""
    return ip[9], (ip[12:16], source), (ip[16:20], destination), data


def act(side, kind, octets):
    return struct.pack("<BH", side | kind << 1 | 5 << 4, len(octets)) + octets


def unframed(octets):
    """Control, addresses and user data of DNP3 link frames, without start, length and CRCs."""
    while len(octets) >= 10 and octets[:2] == b"\x05\x64" and octets[2] >= 5:
        left, at, data = octets[2] - 5, 10, b""
        while left > 0:
            data += octets[at : at + min(left, 16)]
            at, left = at + min(left, 16) + 2, left - 16
        yield octets[3:8] + data
        octets = octets[at:]


def keep(target, octets):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(octets).hexdigest()).write_bytes(octets)


def capture(path):
    octets = path.read_bytes()
    if len(octets) <= LARGEST_CAPTURE:
        keep("pipeline", octets)
    talks, messages = {}, 0
    for frame in frames(octets):
        found = payload(frame)
        if not found or not found[3]:
            continue
        carrier, source, destination, data = found
        port = next((p for p in (destination[1], source[1]) if p in PORTS), None)
        if port is None:
            continue
        name, side = PORTS[port], int(source[1] == port)
        messages += 1
        if messages <= 200:
            keep(name + "_wire", data if name == "modbus" else b"\x07" + data)
            if name == "dnp3":
                for fields in unframed(data):
                    keep("dnp3_wire", b"\x07" + fields[6:])
        talk = talks.setdefault((carrier, name, *sorted((source, destination))), [bytes([int(carrier == 17) | 2 << 3])] * 2)
        if len(talk[0]) < LARGEST_CONVERSATION:
            talk[0] += act(side, DATAGRAM if carrier == 17 else STREAM, data)
            if name == "dnp3":
                talk[1] += b"".join(act(side, FRAMED, fields) for fields in unframed(data))
    for (_, name, *_), forms in talks.items():
        for form in forms:
            keep(name + "_session", form)


def main():
    root = HERE.parent
    for folder in [root / "captures", *map(pathlib.Path, sys.argv[1:])]:
        for path in sorted(folder.rglob("*.pcap*")):
            capture(path)
    for path in (root / "rules").glob("*.toml"):
        keep("rules", path.read_bytes())
    for block in (root / "docs" / "rules.md").read_text().split("```toml\n")[1:]:
        example = block.split("```")[0]
        keep("rules", (example if "version = " in example else "version = 1\n" + example).encode())
    for folder in sorted((HERE / "corpus").iterdir()):
        print(f"{folder.name}: {sum(1 for _ in folder.iterdir())} files")


main()
