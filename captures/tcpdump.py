"""Records loopback traffic with tcpdump while a block of code runs."""

import contextlib
import subprocess
import time


@contextlib.contextmanager
def recording(path: str, packet_filter: str):
    """Writes what passes the filter to path; needs the right to capture (root or CAP_NET_RAW)."""
    tcpdump = subprocess.Popen(
        # The kernel keeps a slot of the snapshot length for each packet: with the default of 256 KiB only a few packets
        # would find room, and the rest be lost.
        ["tcpdump", "-i", "lo", "-n", "-s", "4096", "-B", "16384", "-U", "--immediate-mode", "-w", path, packet_filter],
        stderr=subprocess.PIPE,
        text=True,
    )
    # tcpdump says that it listens as soon as it does.
    said = []
    for line in tcpdump.stderr:
        said.append(line.strip())
        if "listening on" in line:
            break
    else:
        raise SystemExit(f"tcpdump cannot record: {' '.join(said)}")
    try:
        yield
        time.sleep(1.5)
    finally:
        tcpdump.terminate()
        _, last_words = tcpdump.communicate(timeout=10)
    if "\n0 packets dropped by kernel" not in "\n" + last_words:
        raise SystemExit(f"the recording is not complete, record it again: {last_words.strip()}")
