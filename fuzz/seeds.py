"""Seeds for the fuzz targets: payloads and frames of captures, small captures, scripts of segments, the example rules.

    python3 fuzz/seeds.py [FOLDER ...]     captures/ is always read; FOLDERs of more captures may be named

They go to fuzz/corpus/TARGET, which is not committed. Only Ethernet, IPv4, TCP and UDP are read here, without
reassembly: enough for seeds.
"""

import gzip
import hashlib
import pathlib
import random
import re
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
PORTS = {502: "modbus", 20000: "dnp3", 2404: "iec104"}
STREAM, DATAGRAM, FRAMED = 0, 6, 4
LARGEST_CAPTURE = 2_000
LARGEST_CONVERSATION = 500
LARGEST_FRAME = 400
# The places of link types in fuzz_targets/packet.rs, and of frames that are built there.
LINKS = {1: 0, 113: 1, 276: 2, 101: 3, 228: 4, 229: 5, 0: 6, 108: 7, 12: 8, 14: 9, 147: 11}
BUILT = 12


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


def link_type(octets):
    """The link type of a pcap file, or of the first interface of a pcapng file."""
    if octets[:4] != b"\x0a\x0d\x0d\x0a":
        return struct.unpack_from("<I" if octets[:1] in (b"\xd4", b"\x4d") else ">I", octets, 20)[0] & 0xFFFF
    order = "<" if octets[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    at = struct.unpack_from(order + "I", octets, 4)[0]
    return struct.unpack_from(order + "H", octets, at + 8)[0]


def small(link, some):
    """A capture of these frames, as far as they fit."""
    file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    for number, frame in enumerate(some):
        record = struct.pack("<IIII", 1_700_000_000 + number, 0, len(frame), len(frame)) + frame
        if len(file) + len(record) > LARGEST_CAPTURE:
            break
        file += record
    return file


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
    if octets[:2] == b"\x1f\x8b":
        octets = gzip.decompress(octets)
    if len(octets) < 24 or octets[:4] == b"\x28\xb5\x2f\xfd":
        return
    if len(octets) <= LARGEST_CAPTURE:
        for target, front in (("pipeline", b""), ("captures", b"\x0c"), ("captures", b"\x2d"), ("captures", b"\x4e")):
            keep(target, front + octets)
        keep("captures", b"\xff" + gzip.compress(octets, mtime=0))
    link, found = link_type(octets), [frame for frame in frames(octets) if len(frame) <= LARGEST_FRAME]
    for first in range(0, min(len(found), 200), 10):
        keep("pipeline", small(link, found[first:]))
    heads = [struct.pack("<BBH", LINKS.get(link, 11), number % 5, len(frame)) + frame for number, frame in enumerate(found)]
    for first in range(0, min(len(heads), 60), 3):
        keep("packet", b"".join(heads[first : first + 3]))
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


def fragments(dice):
    """Frames for fuzz_targets/packet.rs: datagrams in pieces, in any order, some of which overlap or are missing."""
    script = b""
    for number in range(dice.randint(1, 4)):
        octets, at, pieces = dice.randbytes(dice.randint(1, 12) * 8), 0, []
        first = number | dice.choice([0, 8]) | dice.choice([0, 0x10, 0x20, 0x30]) | dice.choice([0, 0, 0x40, 0x80, 0xC0])
        while at < len(octets):
            size = dice.randint(1, 4) * 8
            more = 4 if at + size < len(octets) else 0
            pieces.append(bytes([first | more, dice.randrange(256), at // 8]) + octets[at : at + size])
            at += dice.choice([size, size, max(size - 8, 8)])
        dice.shuffle(pieces)
        script += b"".join(struct.pack("<BBH", BUILT, 0, len(piece)) + piece for piece in pieces)
    return script


def segments(dice):
    """Acts for fuzz_targets/streams.rs: connections whose segments come late, twice, otherwise or not at all."""
    script, place, wild = bytes([dice.randrange(256)]), [[0, 0] for _ in range(4)], dice.random() / 2
    for talk in range(4):
        if dice.random() < 0.5:
            script += struct.pack("<BHBB", talk | 4 << 3, 0, 0, 0)
    for _ in range(dice.randint(5, 80)):
        talk, side, length = dice.randrange(4), dice.randrange(2), dice.choice([1, 5, 20, 100, 255])
        at, kind, more = place[talk][side], 0, dice.choice([0, 16]) | dice.choice([0, 0, 3, 9, 10, 11])
        if dice.random() < wild:
            at = max(0, at + dice.randint(-300, 600))
            kind = dice.choice([0, 0, 0, 0, 3, 4, 5, 6, 7])
            more |= dice.choice([0, 0, 32, 64, 128])
        else:
            place[talk][side] = (at + length) & 0xFFFF
        script += struct.pack("<BHBB", talk | side << 2 | kind << 3 | dice.choice([0, 64]), at & 0xFFFF, length, more)
    return script


def rule_texts():
    """Rule files: the examples, those of the documentation, and the pieces that the tests are made of."""
    root = HERE.parent
    for path in (root / "rules").glob("*.toml"):
        yield path.read_text()
    for block in (root / "docs" / "rules.md").read_text().split("```toml\n")[1:]:
        yield block.split("```")[0]
    names = 'version = 1\n[hosts]\nscada = "10.0.0.1"\nhmi = "10.0.0.2"\nplc-3 = "10.0.1.3"\n[groups]\nplcs = ["plc-3"]\n'
    for path in sorted((root / "src" / "policy").rglob("*.rs")):
        for text in re.findall(r'"([^"]*)"', path.read_text()):
            if " = " in text and ("\\n" in text or "[[" in text):
                text = re.sub(r"\\\n\s*", "", text).replace("\\n", "\n").replace("{{", "{").replace("}}", "}")
                yield names + text.replace("{WRITE}", "[[allow]]\nname = 'x'\nfrom = 'scada'\nmay = 'write'\n")


def main():
    root = HERE.parent
    for folder in [root / "captures", *map(pathlib.Path, sys.argv[1:])]:
        for path in sorted(folder.rglob("*.pcap*")):
            capture(path)
    for text in rule_texts():
        keep("rules", (text if "version = " in text else "version = 1\n" + text).encode())
    dice = random.Random(1)
    for _ in range(200):
        keep("packet", fragments(dice))
        keep("streams", segments(dice))
    for folder in sorted((HERE / "corpus").iterdir()):
        print(f"{folder.name}: {sum(1 for _ in folder.iterdir())} files")


main()
