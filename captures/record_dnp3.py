#!/usr/bin/env python3
"""Records a DNP3 master and an outstation of dnp3py: polls, controls, time, freezes, unsolicited responses, restarts.

    pip install dnp3py==0.6.0
    sudo python3 captures/record_dnp3.py [FILE]       # default: captures/dnp3-substation.pcap

Everything stays on loopback: master 127.40.0.10 (link address 1), outstation 127.40.1.1 port 20000 (link address 10).
Each step is printed as it is made. Other addresses and ports are options. `--steps FILE` writes what both said, a JSON
object a link frame, in the order in which the master sent or got them: fields of dnp3py's own decoders.
"""

import argparse
import asyncio
import json
import logging
import pathlib
import struct
import time

from dnp3.application.builder import (
    build_all_objects_request,
    build_cold_restart_request,
    build_count_request,
    build_range_request,
    build_warm_restart_request,
    build_write_request,
)
from dnp3.application.fragment import ObjectBlock, RequestFragment
from dnp3.application.header import RequestHeader
from dnp3.application.parser import _parse_range, parse_request, parse_response
from dnp3.application.qualifiers import ObjectHeader, PrefixCode, RangeCode, get_prefix_size
from dnp3.core.enums import ControlCode, FunctionCode, OperationType, TripCloseCode
from dnp3.core.timestamp import DNP3Timestamp
from dnp3.database import Database
from dnp3.database.point import AnalogInputConfig, AnalogOutputConfig, BinaryInputConfig, BinaryOutputConfig
from dnp3.database.point import CounterConfig, EventClass
from dnp3.datalink.builder import build_request_link_status, build_test_link_state, build_unconfirmed_user_data
from dnp3.datalink.parser import FrameParser
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.master.tcp_runner import MasterRunnerError
from dnp3.objects import registry
from dnp3.objects.binary_output import CROB
from dnp3.outstation import Outstation, OutstationConfig, OutstationTcpRunner
from dnp3.outstation.handler import CommandResult, DefaultCommandHandler
from dnp3.transport.reassembler import Reassembler
from dnp3.transport.segment import TransportSegment
from dnp3.transport.segmenter import Segmenter
from dnp3.transport_io.channel import ChannelState, TcpConfig
from dnp3.transport_io.tcp_client import TcpClientChannel

from tcpdump import recording

MASTER_LINK, OUTSTATION_LINK = 1, 10
# The number in an analog output, by variation.
ANALOG_OUTPUTS = {1: "<i", 2: "<h", 3: "<f", 4: "<d"}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default=str(pathlib.Path(__file__).with_name("dnp3-substation.pcap")))
    parser.add_argument("--master", default="127.40.0.10", help="address of the master")
    parser.add_argument("--outstation", default="127.40.1.1", help="address of the outstation")
    parser.add_argument("--port", type=int, default=20000, help="port of the outstation")
    parser.add_argument(
        "--every", action="store_true", help="also what is rare or refused, from an outstation with small fragments"
    )
    parser.add_argument("--steps", metavar="FILE", help="write what both said, a JSON object a link frame")
    return parser.parse_args()


class Values(DefaultSOEHandler):
    """Keeps the values of a response in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[dict] = []

    def keep(self, values, info) -> None:
        for value in values:
            kept = {"index": value.index, "value": value.value, "quality": int(value.quality)}
            if value.timestamp is not None:
                kept["time_ms"] = DNP3Timestamp.from_datetime(value.timestamp).milliseconds
            self.values.append(kept)

    on_binary_input = on_binary_output = on_analog_input = on_analog_output = keep
    on_counter = on_frozen_counter = on_double_bit_input = keep


class Steps:
    """What master and outstation said, decoded by dnp3py."""

    def __init__(self) -> None:
        self.step = "reset link"
        self.frames: list[dict] = []
        self.parsers = {sender: FrameParser() for sender in ("master", "outstation")}
        self.fragments = {sender: Reassembler() for sender in ("master", "outstation")}

    def octets(self, sender: str, octets: bytes) -> None:
        for frame in self.parsers[sender].feed(octets):
            control = frame.header.control
            told = {
                "step": self.step,
                "from": sender,
                "source": frame.header.source,
                "destination": frame.header.destination,
                "dir": control.dir_from_master,
                "prm": control.prm,
                "fcb": control.fcb,
                "fcv_or_dfc": control.fcv,
                "link_function": int(control.function_code),
            }
            if frame.user_data:
                segment = TransportSegment.from_bytes(frame.user_data)
                head = segment.header
                told["transport"] = {"fir": head.fir, "fin": head.fin, "sequence": head.seq}
                whole = self.fragments[sender].add(segment)
                if whole is not None:
                    told["application"] = application(sender, whole.data)
            self.frames.append(told)


def application(sender: str, octets: bytes) -> dict:
    """The fields of a fragment."""
    response = sender == "outstation"
    fragment = parse_response(octets) if response else parse_request(octets)
    control = fragment.header.control
    told = {
        "function": int(fragment.header.function),
        "sequence": control.seq,
        "fir": control.fir,
        "fin": control.fin,
        "con": control.con,
        "unsolicited": control.uns,
        # Two octets as they were sent, the first above the second.
        "iin": int.from_bytes(fragment.header.iin.to_bytes(), "big") if response else None,
    }
    values = Values()
    if response:
        config = MasterConfig(address=MASTER_LINK, outstation_address=OUTSTATION_LINK)
        Master(handler=values, config=config).process_response(octets)
    rest = values.values
    told["objects"] = []
    for block in fragment.objects:
        head, span = block.header, _parse_range(block.data, block.header.range_code)
        item = {"group": head.group, "variation": head.variation, "qualifier": head.qualifier, "count": span.count}
        if head.range_code <= RangeCode.UINT32_START_STOP:
            item |= {"first": span.start, "last": span.stop}
        carried = block.data[span.bytes_consumed :]
        if carried and head.group in (12, 41, 50, 51, 52, 80):
            item["values"] = list(written(block, span, carried))
        elif carried:
            item["values"], rest = rest[: span.count], rest[span.count :]
        told["objects"].append(item)
    if rest:
        raise SystemExit(f"values that belong to no object: {rest}")
    return told


def written(block: ObjectBlock, span, octets: bytes):
    """Commands, times and bits, one by one, with the index where they have one."""
    group, variation = block.header.group, block.header.variation
    prefix = get_prefix_size(block.header.prefix_code)
    if group == 80:
        for at in range(span.count):
            yield {"index": span.start + at, "value": bool(octets[at // 8] >> at % 8 & 1)}
        return
    # dnp3py has no class for the last recorded time, which is laid out as the time.
    kind = registry.lookup(group, 1 if (group, variation) == (50, 3) else variation)
    for _ in range(span.count):
        index, octets = octets[:prefix], octets[prefix:]
        told = {"index": int.from_bytes(index, "little")} if prefix else {}
        if group == 41:
            # dnp3py has no class for analog outputs either: a number and the status.
            width = struct.calcsize(ANALOG_OUTPUTS[variation])
            (number,) = struct.unpack_from(ANALOG_OUTPUTS[variation], octets)
            yield told | {"value": number, "status": octets[width]}
            octets = octets[width + 1 :]
            continue
        item = kind.from_bytes(octets[: kind.SIZE])
        octets = octets[kind.SIZE :]
        if group == 12:
            times = {"on_ms": item.on_time_ms, "off_ms": item.off_time_ms, "status": int(item.status)}
            yield told | {"control": int(item.control_code), "operations": item.count} | times
        elif group == 52:
            yield told | {"value": item.delay_seconds if variation == 1 else item.delay_ms}
        else:
            yield told | {"time_ms": item.timestamp.milliseconds}


class Breakers(DefaultCommandHandler):
    """Carries out what it is asked, except at point 9, which is in local control."""

    def select_binary_output(self, index, *args, **kwargs):
        return self.answer(index)

    def operate_binary_output(self, index, *args, **kwargs):
        return self.answer(index)

    def direct_operate_binary_output(self, index, *args, **kwargs):
        return self.answer(index)

    def select_analog_output(self, index, *args, **kwargs):
        return self.answer(index)

    def operate_analog_output(self, index, *args, **kwargs):
        return self.answer(index)

    def direct_operate_analog_output(self, index, *args, **kwargs):
        return self.answer(index)

    def answer(self, index):
        return CommandResult.local() if index == 9 else CommandResult.success()

    def freeze_counters(self, *args, **kwargs):
        return CommandResult.success()

    def cold_restart(self):
        return 5000

    def warm_restart(self):
        return 500


class Substation(OutstationTcpRunner):
    """An outstation that can also speak unasked: it keeps hold of its connection."""

    connection = None

    async def _handle_connection(self, channel):
        self.connection = channel
        await super()._handle_connection(channel)

    async def report(self) -> bool:
        """Sends an unsolicited response, where events are waiting for one."""
        fragment = self.outstation.generate_unsolicited()
        if fragment is None:
            return False
        for segment in Segmenter().segment(fragment.to_bytes()):
            frame = build_unconfirmed_user_data(
                destination=MASTER_LINK, source=OUTSTATION_LINK, dir_from_master=False, user_data=segment.to_bytes()
            )
            await self.connection.write_all(frame.to_bytes())
        return True


class FromControlCentre(TcpClientChannel):
    """A client channel with the control centre's address, which keeps a record of what goes through it."""

    def __init__(self, config: TcpConfig, address: str, steps: Steps):
        super().__init__(config=config)
        self.address, self.steps = address, steps

    async def open(self):
        host, port = self.config.host, self.config.port
        self._reader, self._writer = await asyncio.open_connection(host, port, local_addr=(self.address, 0))
        self._state = ChannelState.OPEN

    async def write_all(self, data):
        self.steps.octets("master", data)
        await super().write_all(data)

    async def read(self, *args, **kwargs):
        data = await super().read(*args, **kwargs)
        self.steps.octets("outstation", data)
        return data


def database() -> Database:
    points = Database()
    classes = [EventClass.CLASS_1, EventClass.CLASS_2, EventClass.CLASS_3]
    for index in range(16):
        points.add_binary_input(index, BinaryInputConfig(event_class=classes[index % 3]))
        points.add_analog_input(index, AnalogInputConfig(event_class=classes[index % 3]))
    for index in range(10):
        points.add_binary_output(index, BinaryOutputConfig(event_class=EventClass.NONE))
    for index in range(4):
        points.add_analog_output(index, AnalogOutputConfig())
        points.add_counter(index, CounterConfig(event_class=EventClass.CLASS_3))
        points.add_frozen_counter(index)
    # Enough points for a response of more than one link frame.
    for index in range(16, 100):
        points.add_analog_input(index, AnalogInputConfig(event_class=EventClass.NONE))
    for index in range(100):
        points.update_analog_input(index, value=1000 + 7 * index)
    points.clear_events()
    return points


def move(points: Database, turn: int) -> None:
    """What happens in the substation between two polls."""
    points.update_binary_input(turn % 16, value=turn % 2 == 0)
    points.update_binary_input((turn + 1) % 16, value=turn % 2 == 1)
    points.update_analog_input(turn % 16, value=2000 + 13 * turn)
    points.update_counter(turn % 4, value=100 + turn)


def write(group: int, variation: int, octets: bytes, seq: int, range_code=RangeCode.UINT8_COUNT) -> RequestFragment:
    header = ObjectHeader.build(group=group, variation=variation, prefix=PrefixCode.NONE, range_code=range_code)
    return build_write_request((ObjectBlock(header=header, data=octets),), seq=seq)


def block(group: int, variation: int, range_code=RangeCode.ALL_OBJECTS, octets: bytes = b"") -> ObjectBlock:
    header = ObjectHeader.build(group=group, variation=variation, prefix=PrefixCode.NONE, range_code=range_code)
    return ObjectBlock(header=header, data=octets)


def command(group: int, variation: int, index: int, octets: bytes, wide: bool) -> ObjectBlock:
    """One command with its index before it, in one octet or two. dnp3py 0.6 itself gets the count of wide ones wrong."""
    prefix, range_code = (PrefixCode.UINT8_INDEX, RangeCode.UINT8_COUNT)
    if wide:
        prefix, range_code = (PrefixCode.UINT16_INDEX, RangeCode.UINT16_COUNT)
    header = ObjectHeader.build(group=group, variation=variation, prefix=prefix, range_code=range_code)
    return ObjectBlock(header=header, data=struct.pack("<HH" if wide else "<BB", 1, index) + octets)


def rare(seq, controls):
    """Requests that are rare, refused or never answered: name, request, whether to wait for an answer."""

    def plain(function: FunctionCode, *blocks: ObjectBlock) -> RequestFragment:
        return RequestFragment(header=RequestHeader.build(function=function, seq=seq()), objects=blocks)

    for variation in ANALOG_OUTPUTS:
        number = -7 if variation < 3 else 12.5
        octets = struct.pack(ANALOG_OUTPUTS[variation], number) + b"\0"
        order = command(41, variation, 2, octets, wide=variation % 2 == 0)
        yield f"direct operate g41v{variation}", plain(FunctionCode.DIRECT_OPERATE, order), True
        yield f"select g41v{variation}", plain(FunctionCode.SELECT, order), True
        yield f"operate g41v{variation}", plain(FunctionCode.OPERATE, order), True
        yield f"read g40v{variation}", plain(FunctionCode.READ, block(40, variation)), True
    odd = ControlCode.from_fields(OperationType.PULSE_ON, tcc=TripCloseCode.CLOSE, clear=True, queue=True)
    for name, order in (
        ("pulse off 7", controls().pulse_off(7, on_time=10, off_time=20, count=3)),
        ("close 7, clear, queue", controls().add_crob(7, odd, count=255, on_time=0xFFFFFFFF, off_time=1)),
        ("two kinds at once", controls().latch_on(1).add_analog(1, -100000)),
    ):
        task = order.build_direct_operate()
        yield f"direct operate {name}", task.build_request(seq()), True
        yield f"direct operate {name}, no answer", plain(
            FunctionCode.DIRECT_OPERATE_NO_ACK, *task.build_request(0).objects
        ), False
    latch = command(12, 1, 300, CROB.latch_on().to_bytes(), wide=True)
    yield "direct operate latch on 300", plain(FunctionCode.DIRECT_OPERATE, latch), True
    yield "freeze and clear, no answer", plain(FunctionCode.FREEZE_CLEAR_NO_ACK, block(20, 0)), False
    yield "freeze at time, no answer", plain(FunctionCode.FREEZE_AT_TIME_NO_ACK, block(20, 0)), False
    wide = block(30, 1, RangeCode.UINT16_START_STOP, struct.pack("<HH", 3, 60))
    yield "read g30v1 3-60, wide range", plain(FunctionCode.READ, wide), True
    one = block(30, 1, RangeCode.UINT8_START_STOP, bytes([7, 7]))
    yield "read three kinds at once", plain(FunctionCode.READ, one, block(10, 0), block(20, 0)), True
    yield "read g110, not there", plain(FunctionCode.READ, block(110, 0)), True
    beyond = block(30, 1, RangeCode.UINT8_START_STOP, bytes([200, 210]))
    yield "read g30v1 200-210, not there", plain(FunctionCode.READ, beyond), True
    bit = block(80, 1, RangeCode.UINT8_START_STOP, bytes([4, 4, 1]))
    yield "write need for time", plain(FunctionCode.WRITE, bit), True
    for function in (
        FunctionCode.FREEZE_AT_TIME,
        FunctionCode.INITIALIZE_DATA,
        FunctionCode.INITIALIZE_APPLICATION,
        FunctionCode.START_APPLICATION,
        FunctionCode.STOP_APPLICATION,
        FunctionCode.OPEN_FILE,
        FunctionCode.CLOSE_FILE,
        FunctionCode.DELETE_FILE,
        FunctionCode.GET_FILE_INFO,
        FunctionCode.AUTHENTICATE_FILE,
        FunctionCode.ABORT_FILE,
    ):
        yield f"{function.name}, refused", plain(function), True
    yield "ASSIGN_CLASS, refused", plain(FunctionCode.ASSIGN_CLASS, block(60, 2), block(30, 0)), True


def now() -> bytes:
    """The time as DNP3 has it: milliseconds since 1970, six octets, lowest first."""
    return int(time.time() * 1000).to_bytes(6, "little")


async def exchange(chosen: argparse.Namespace) -> None:
    points = database()
    outstation = Outstation(
        database=points,
        config=OutstationConfig(
            address=OUTSTATION_LINK, master_address=MASTER_LINK, max_fragment_size=300 if chosen.every else 2048
        ),
        handler=Breakers(),
    )
    substation = Substation(outstation=outstation, host=chosen.outstation, port=chosen.port)
    serving = asyncio.create_task(substation.run())
    while not substation.is_running:
        if serving.done():
            raise SystemExit(f"cannot listen: {serving.exception()}")
        await asyncio.sleep(0.01)

    master = Master(
        handler=DefaultSOEHandler(),
        config=MasterConfig(address=MASTER_LINK, outstation_address=OUTSTATION_LINK),
    )
    steps = Steps()
    where = TcpConfig(host=chosen.outstation, port=chosen.port)
    channel = FromControlCentre(where, chosen.master, steps)
    runner = MasterTcpRunner(master=master, host=where.host, port=where.port, response_timeout=10.0, channel=channel)
    await runner.open()
    seq = master.next_request_sequence

    async def step(name: str, waiting):
        steps.step = name
        try:
            answer = await waiting
            iin = [str(info.iin) for info in answer] if isinstance(answer, list) else answer
            print(f"{name}: {iin}")
        except MasterRunnerError as error:
            print(f"{name}: {error}")
        await asyncio.sleep(0.05)

    ask = runner.request
    await step("link status", channel.write_all(build_request_link_status(OUTSTATION_LINK, MASTER_LINK, True).to_bytes()))
    await step("test link", channel.write_all(build_test_link_state(OUTSTATION_LINK, MASTER_LINK, True, True).to_bytes()))
    await step("disable unsolicited", runner.disable_unsolicited())
    await step("integrity poll", runner.integrity_poll())
    await step("clear restart", ask(write(80, 1, bytes([7, 7, 0]), seq(), RangeCode.UINT8_START_STOP)))
    await step("delay measure", ask(master.build_delay_measure()))
    await step("write time", ask(write(50, 1, bytes([1]) + now(), seq())))
    record = RequestFragment(header=RequestHeader.build(function=FunctionCode.RECORD_CURRENT_TIME, seq=seq()))
    await step("record current time", ask(record))
    await step("write last recorded time", ask(write(50, 3, bytes([1]) + now(), seq())))

    for turn in range(6):
        move(points, turn)
        await step(f"event poll {turn + 1}", runner.class_poll(class_1=True, class_2=turn % 2 == 0, class_3=turn % 3 == 0))

    await step("read g30v1 0-15", ask(build_range_request(FunctionCode.READ, 30, 1, 0, 15, seq=seq())))
    await step("read g1v2 3-5", ask(build_range_request(FunctionCode.READ, 1, 2, 3, 5, seq=seq())))
    await step("read all g10", ask(build_all_objects_request(FunctionCode.READ, 10, 0, seq=seq())))
    await step("read all g20", ask(build_all_objects_request(FunctionCode.READ, 20, 0, seq=seq())))
    await step("read two g2", ask(build_count_request(FunctionCode.READ, 2, 0, 2, seq=seq())))
    await step("read all g40", ask(build_all_objects_request(FunctionCode.READ, 40, 0, seq=seq())))

    def controls():
        return master.command_builder()

    await step("direct operate latch on 3", ask(master.build_direct_operate(controls().latch_on(3).build_direct_operate())))
    await step("direct operate latch off 3", ask(master.build_direct_operate(controls().latch_off(3).build_direct_operate())))
    pulse = controls().pulse_on(4, on_time=500, off_time=100, count=2)
    await step("select pulse 4", ask(master.build_select(pulse.build_select())))
    await step("operate pulse 4", ask(master.build_operate(pulse.build_operate())))
    trip = controls().add_crob(5, ControlCode.TRIP_PULSE_ON, on_time=250)
    await step("select trip 5", ask(master.build_select(trip.build_select())))
    await step("operate trip 5", ask(master.build_operate(trip.build_operate())))
    await step("operate close 6 without select", ask(master.build_operate(controls().add_crob(6, ControlCode.CLOSE_PULSE_ON).build_operate())))
    await step("direct operate 9, in local", ask(master.build_direct_operate(controls().latch_on(9).build_direct_operate())))
    await step("direct operate 99, not there", ask(master.build_direct_operate(controls().latch_on(99).build_direct_operate())))
    both = controls().latch_on(1).latch_off(2)
    await step("direct operate 1 and 2", ask(master.build_direct_operate(both.build_direct_operate())))
    await step("analog output 0 to 450", ask(master.build_direct_operate(controls().add_analog(0, 450.0).build_direct_operate())))
    level = controls().add_analog(1, 62.5)
    await step("select analog output 1", ask(master.build_select(level.build_select())))
    await step("operate analog output 1", ask(master.build_operate(level.build_operate())))

    await step("immediate freeze", ask(build_all_objects_request(FunctionCode.IMMEDIATE_FREEZE, 20, 0, seq=seq())))
    await step("read all g21", ask(build_all_objects_request(FunctionCode.READ, 21, 0, seq=seq())))
    await step("freeze and clear", ask(build_range_request(FunctionCode.FREEZE_CLEAR, 20, 0, 0, 1, seq=seq())))
    await step("freeze, no answer", runner.send(build_all_objects_request(FunctionCode.IMMEDIATE_FREEZE_NO_ACK, 20, 0, seq=seq())))

    for name, request, answered in rare(seq, controls) if chosen.every else ():
        await step(name, ask(request) if answered else runner.send(request))

    await step("enable unsolicited", runner.enable_unsolicited())
    for turn in range(6, 10):
        move(points, turn)
        await step("unsolicited response", substation.report())
        await step("confirm it", runner.listen_unsolicited(timeout=10.0))
    await step("disable unsolicited", runner.disable_unsolicited())

    await step("save configuration, not supported", ask(RequestFragment(header=RequestHeader.build(function=FunctionCode.SAVE_CONFIGURATION, seq=seq()))))
    await step("warm restart", ask(build_warm_restart_request(seq=seq())))
    await step("cold restart", ask(build_cold_restart_request(seq=seq())))
    await step("integrity poll", runner.integrity_poll())

    await runner.close()
    await channel.close()
    await substation.stop()
    await asyncio.wait([serving], timeout=3)
    if chosen.steps:
        pathlib.Path(chosen.steps).write_text("".join(json.dumps(frame) + "\n" for frame in steps.frames))


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    chosen = options()
    with recording(chosen.file, f"tcp port {chosen.port} and host {chosen.outstation}"):
        asyncio.run(asyncio.wait_for(exchange(chosen), timeout=90))
    print(f"recorded to {chosen.file}")


if __name__ == "__main__":
    main()
