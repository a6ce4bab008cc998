#!/usr/bin/env python3
"""Records a controlling and a controlled station of c104 (lib60870): interrogations, every kind of command, selections,
refusals, reports, clock, test and reset.

    pip install c104==2.2.1
    sudo python3 captures/record_iec104.py [FILE]       # default: captures/iec104-substation.pcap

Everything stays on loopback: the controlled station is 127.41.1.1 port 2404 with the common address 47. Each step is
printed as it is made. Other addresses and ports are options. `--steps FILE` writes what each station got from the other:
a JSON object a unit, fields of c104's own decoder, and one for each value that a point got; each direction in its order.
"""

import argparse
import datetime
import json
import pathlib
import threading
import time

import c104

from tcpdump import recording

STATION = 47
WHEN = datetime.datetime(2024, 2, 29, 23, 59, 58, 123000, tzinfo=datetime.timezone.utc)
# Process information by object address: type and, where it is told at once with others, how many follow.
POINTS = {
    11: c104.Type.M_SP_NA_1,
    12: c104.Type.M_SP_NA_1,
    13: c104.Type.M_DP_NA_1,
    14: c104.Type.M_ST_NA_1,
    15: c104.Type.M_BO_NA_1,
    16: c104.Type.M_ME_NA_1,
    17: c104.Type.M_ME_NB_1,
    18: c104.Type.M_ME_NC_1,
    19: c104.Type.M_IT_NA_1,
    20: c104.Type.M_ME_ND_1,
    70001: c104.Type.M_SP_TB_1,
    70002: c104.Type.M_DP_TB_1,
    70003: c104.Type.M_ST_TB_1,
    70004: c104.Type.M_BO_TB_1,
    70005: c104.Type.M_ME_TD_1,
    70006: c104.Type.M_ME_TE_1,
    70007: c104.Type.M_ME_TF_1,
    70008: c104.Type.M_IT_TB_1,
}
# Commands by object address: type, whether it is selected first, what is ordered.
COMMANDS = {
    101: (c104.Type.C_SC_NA_1, False, lambda: c104.SingleCmd(True, c104.Qoc.SHORT_PULSE)),
    102: (c104.Type.C_SC_NA_1, True, lambda: c104.SingleCmd(False)),
    103: (c104.Type.C_DC_NA_1, True, lambda: c104.DoubleCmd(c104.Double.ON, c104.Qoc.LONG_PULSE)),
    104: (c104.Type.C_RC_NA_1, False, lambda: c104.StepCmd(c104.Step.HIGHER)),
    105: (c104.Type.C_SE_NA_1, False, lambda: c104.NormalizedCmd(c104.NormalizedFloat(-0.5))),
    106: (c104.Type.C_SE_NB_1, True, lambda: c104.ScaledCmd(c104.Int16(-1200))),
    107: (c104.Type.C_SE_NC_1, False, lambda: c104.ShortCmd(62.5, c104.UInt7(3))),
    108: (c104.Type.C_BO_NA_1, False, lambda: c104.BinaryCmd(c104.Byte32(0x80000005))),
    201: (c104.Type.C_SC_TA_1, False, lambda: c104.SingleCmd(True, recorded_at=WHEN)),
    202: (c104.Type.C_DC_TA_1, True, lambda: c104.DoubleCmd(c104.Double.OFF, recorded_at=WHEN)),
    203: (c104.Type.C_RC_TA_1, True, lambda: c104.StepCmd(c104.Step.LOWER, recorded_at=WHEN)),
    204: (c104.Type.C_SE_TA_1, False, lambda: c104.NormalizedCmd(c104.NormalizedFloat(0.25), recorded_at=WHEN)),
    205: (c104.Type.C_SE_TB_1, False, lambda: c104.ScaledCmd(c104.Int16(32767), recorded_at=WHEN)),
    206: (c104.Type.C_SE_TC_1, True, lambda: c104.ShortCmd(-0.125, recorded_at=WHEN)),
    207: (c104.Type.C_BO_TA_1, False, lambda: c104.BinaryCmd(c104.Byte32(7), recorded_at=WHEN)),
}
# A command that the controlled station knows and refuses, and one that it does not know.
REFUSED, UNKNOWN = 301, 302


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default=str(pathlib.Path(__file__).with_name("iec104-substation.pcap")))
    parser.add_argument("--station", default="127.41.1.1", help="address of the controlled station")
    parser.add_argument("--port", type=int, default=2404, help="port of the controlled station")
    parser.add_argument("--originator", type=int, default=9, help="originator address of the controlling station")
    parser.add_argument("--steps", metavar="FILE", help="write what each station got, a JSON object a unit")
    return parser.parse_args()


def plain(value):
    """A value of c104 as JSON has it."""
    if isinstance(value, (bool, float)) or value is None:
        return value
    if isinstance(value, (c104.Double, c104.Step)):
        return value.name
    if isinstance(value, c104.Byte32):
        return int(str(value), 2)
    return float(value) if isinstance(value, c104.NormalizedFloat) else int(value)


class Steps:
    """What each station got, decoded by c104."""

    def __init__(self) -> None:
        self.step = "start"
        self.lock = threading.Lock()
        self.units: dict[str, list[dict]] = {"controlling": [], "controlled": []}
        self.values: dict[str, list[dict]] = {"controlling": [], "controlled": []}

    def unit(self, sender: str, octets: bytes) -> None:
        told = {name: value for name, value in c104.explain_bytes_dict(octets).items() if name != "elements"}
        for name in ("type", "cot"):
            if name in told and not isinstance(told[name], str):
                told[name + "Name"] = told[name].name
                told[name] = int(told[name].value)
        with self.lock:
            self.units[sender].append({"from": sender, "step": self.step, "octets": len(octets), **told})

    def information(self, sender: str, point, message) -> None:
        """What a point of the receiver became by a message. c104 tells this beside the units, in the same order."""
        info = message.info
        told = {"ioa": point.io_address, "value": plain(info.value)}
        # Points of a station quote what they hold, which for a command is the order.
        if info.quality is not None and sender == "controlled":
            told["quality"] = str(info.quality)
        if info.recorded_at is not None:
            told["time"] = info.recorded_at.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")
        if sender == "controlling":
            told["select"] = message.is_select_command
        with self.lock:
            self.values[sender].append({"from": sender, "point": told})


def controlled(chosen: argparse.Namespace, steps: Steps):
    """The controlled station with its points."""
    server = c104.Server(ip=chosen.station, port=chosen.port, tick_rate_ms=50)
    station = server.add_station(common_address=STATION)
    for address, kind in POINTS.items():
        station.add_point(io_address=address, type=kind)

    def ordered(
        point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        steps.information("controlling", point, message)
        return c104.ResponseState.FAILURE if point.io_address == REFUSED else c104.ResponseState.SUCCESS

    for address, (kind, selected, _) in COMMANDS.items():
        mode = c104.CommandMode.SELECT_AND_EXECUTE if selected else c104.CommandMode.DIRECT
        station.add_point(io_address=address, type=kind, command_mode=mode).on_receive(callable=ordered)
    station.add_point(io_address=REFUSED, type=c104.Type.C_SC_NA_1).on_receive(callable=ordered)

    def got(server: c104.Server, data: bytes) -> None:
        steps.unit("controlling", data)

    server.on_receive_raw(callable=got)
    return server, station


def controlling(chosen: argparse.Namespace, steps: Steps):
    """The controlling station, which has a picture of every point."""
    client = c104.Client(tick_rate_ms=50, command_timeout_ms=1000)
    client.originator_address = chosen.originator
    connection = client.add_connection(ip=chosen.station, port=chosen.port, init=c104.Init.NONE)
    station = connection.add_station(common_address=STATION)

    def told(
        point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        steps.information("controlled", point, message)
        return c104.ResponseState.SUCCESS

    for address, kind in POINTS.items():
        station.add_point(io_address=address, type=kind).on_receive(callable=told)
    for address, (kind, selected, _) in COMMANDS.items():
        mode = c104.CommandMode.SELECT_AND_EXECUTE if selected else c104.CommandMode.DIRECT
        station.add_point(io_address=address, type=kind, command_mode=mode)
    for address in (REFUSED, UNKNOWN):
        station.add_point(io_address=address, type=c104.Type.C_SC_NA_1)

    def got(connection: c104.Connection, data: bytes) -> None:
        steps.unit("controlled", data)

    connection.on_receive_raw(callable=got)
    return client, connection, station


def move(station) -> None:
    """What happens in the substation."""
    good, bad = c104.Quality(), c104.Quality.Invalid | c104.Quality.NonTopical
    single, double, step = c104.SingleInfo, c104.DoubleInfo, c104.StepInfo
    bits, counter = c104.BinaryInfo, c104.BinaryCounterInfo
    for address, info in {
        11: single(True, good),
        12: single(False, bad),
        13: double(c104.Double.ON, good),
        14: step(c104.Int7(-5), True, good),
        15: bits(c104.Byte32(0xF0000001), good),
        16: c104.NormalizedInfo(c104.NormalizedFloat(-0.75), good),
        17: c104.ScaledInfo(c104.Int16(-12345), c104.Quality.Overflow),
        18: c104.ShortInfo(1234.5, c104.Quality.Substituted | c104.Quality.Blocked),
        19: counter(-7, c104.UInt5(3), c104.BinaryCounterQuality.Carry),
        20: c104.NormalizedInfo(c104.NormalizedFloat(0.5), good),
        70001: single(True, good, WHEN),
        70002: double(c104.Double.INTERMEDIATE, good, WHEN),
        70003: step(c104.Int7(63), False, bad, WHEN),
        70004: bits(c104.Byte32(9), good, WHEN),
        70005: c104.NormalizedInfo(c104.NormalizedFloat(0.125), good, WHEN),
        70006: c104.ScaledInfo(c104.Int16(77), good, WHEN),
        70007: c104.ShortInfo(-0.5, good, WHEN),
        70008: counter(100000, c104.UInt5(31), c104.BinaryCounterQuality(), WHEN),
    }.items():
        station.get_point(io_address=address).info = info


def exchange(chosen: argparse.Namespace) -> None:
    steps = Steps()
    server, here = controlled(chosen, steps)
    client, connection, there = controlling(chosen, steps)
    server.start()
    client.start()
    connection.connect()
    end = time.time() + 10
    while not connection.is_connected:
        if time.time() > end:
            raise SystemExit(f"cannot listen at {chosen.station} port {chosen.port}, or cannot connect to it")
        time.sleep(0.05)
    time.sleep(0.3)

    def step(name: str, act) -> None:
        steps.step = name
        print(f"{name}: {act()}", flush=True)
        time.sleep(0.15)

    move(here)
    step("end of initialization", lambda: here.signal_initialized(c104.Coi.REMOTE_RESET))
    step("interrogation", lambda: connection.interrogation(STATION))
    step("interrogation of group 3", lambda: connection.interrogation(STATION, qualifier=c104.Qoi.GROUP_3))
    step("interrogation of every station", lambda: connection.interrogation(65535))
    step("interrogation of another station", lambda: connection.interrogation(48))
    step("counter interrogation", lambda: connection.counter_interrogation(STATION))
    step("counters frozen", lambda: connection.counter_interrogation(STATION, freeze=c104.Frz.FREEZE_WITHOUT_RESET))
    step("clock", lambda: connection.clock_sync(STATION))
    step("test", lambda: connection.test(STATION, with_time=False))
    step("test with time", lambda: connection.test(STATION))
    for address in POINTS:
        step(f"read {address}", there.get_point(io_address=address).read)
    for address, kind in POINTS.items():
        cause = c104.Cot.SPONTANEOUS if address % 2 else c104.Cot.PERIODIC
        step(f"report {kind.name}", lambda: here.get_point(io_address=address).transmit(cause))
    both = [here.get_point(io_address=address) for address in (11, 12)]
    step("report two at once", lambda: server.transmit_batch(c104.Batch(c104.Cot.SPONTANEOUS, both)))
    for address, (kind, selected, order) in COMMANDS.items():
        point = there.get_point(io_address=address)
        point.info = order()
        how = "select and execute" if selected else "execute"
        step(f"{how} {kind.name}", lambda: point.transmit(c104.Cot.ACTIVATION))
    for address, name in ((REFUSED, "refused"), (UNKNOWN, "not there")):
        point = there.get_point(io_address=address)
        point.info = c104.SingleCmd(True)
        step(f"command, {name}", lambda: point.transmit(c104.Cot.ACTIVATION))
    step("stop", lambda: connection.mute())
    step("start", lambda: connection.unmute())
    time.sleep(0.5)
    client.stop()
    server.stop()
    if chosen.steps:
        rows = [row for kept in (steps.units, steps.values) for side in kept.values() for row in side]
        pathlib.Path(chosen.steps).write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> None:
    chosen = options()
    with recording(chosen.file, f"tcp port {chosen.port} and host {chosen.station}"):
        exchange(chosen)
    print(f"recorded to {chosen.file}")


if __name__ == "__main__":
    main()
