#!/usr/bin/env python3
"""Records every public Modbus function between a pymodbus client and a pymodbus server.

    pip install pymodbus==3.16.1
    sudo python3 captures/record_modbus.py [FILE]     # default: captures/modbus-functions.pcap

Everything stays on loopback: client 127.50.0.10, server 127.50.1.1 port 5502. Each request is printed as it is made.
Other addresses, ports and framings are options. `--steps FILE` writes what both said as they said it, a JSON object a
step: fields of pymodbus' own requests and responses, before they were encoded and after they were decoded.
"""

import argparse
import asyncio
import json
import logging
import pathlib
import sys

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient, AsyncModbusUdpClient
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.exceptions import NoSuchIdException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.pdu.file_message import FileRecord
from pymodbus.server import ModbusTcpServer, ModbusUdpServer

from tcpdump import recording


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", default=str(pathlib.Path(__file__).with_name("modbus-functions.pcap")))
    parser.add_argument("--client", default="127.50.0.10", help="address of the client")
    parser.add_argument("--server", default="127.50.1.1", help="address of the server")
    parser.add_argument("--port", type=int, default=5502, help="port of the server")
    parser.add_argument("--over", choices=["tcp", "udp"], default="tcp")
    parser.add_argument("--framing", choices=["socket", "rtu", "ascii"], default="socket")
    parser.add_argument("--silent", action="store_true", help="leave requests to a unit that is not there unanswered")
    parser.add_argument("--steps", metavar="FILE", help="write what both said, a JSON object a step")
    parser.add_argument("--ask", action="store_true", help="only ask: the server is somebody else's")
    parser.add_argument("--serve", action="store_true", help="only serve, until standard input ends; record nothing")
    return parser.parse_args()


class Steps:
    """What client and server said, from pymodbus' own objects."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.sent: list[dict] = []
        self.heard: list[dict] = []

    def client(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        (self.requests if sending else self.heard).append(told(pdu, request=sending))
        return pdu

    def server(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if sending:
            self.sent.append(told(pdu, request=False))
        return pdu

    def take(self, name: str) -> list[dict]:
        """The steps since the last time. `sent` is the server's answer, `heard` the same as the client decoded it."""
        pairs = [
            {"step": name, "request": asked, "sent": nth(self.sent, at), "heard": nth(self.heard, at)}
            for at, asked in enumerate(self.requests)
        ]
        self.__init__()
        return pairs


def nth(items: list, at: int):
    return items[at] if at < len(items) else None


def told(pdu: ModbusPDU, request: bool) -> dict:
    """The fields of a message, by the names of the standard."""
    function = pdu.function_code & 0x7F
    out = {"transaction": pdu.transaction_id, "unit": pdu.dev_id, "function": function}
    if pdu.function_code & 0x80:
        return out | {"exception": int(pdu.exception_code)}
    if function in (1, 2, 3, 4) and request:
        return out | {"address": pdu.address, "quantity": pdu.count}
    if function in (1, 2):
        return out | {"values": list(pdu.bits)}
    if function in (3, 4):
        return out | {"values": list(pdu.registers)}
    if function in (5, 6):
        return out | {"address": pdu.address, "values": list(pdu.bits if function == 5 else pdu.registers)}
    if function in (15, 16):
        values = list(pdu.bits if function == 15 else pdu.registers)
        return out | {"address": pdu.address, "quantity": pdu.count} | ({"values": values} if request else {})
    if function == 7:
        return out if request else out | {"values": [bool(pdu.status >> bit & 1) for bit in range(8)]}
    if function == 8:
        return out | {"subfunction": pdu.sub_function_code, "data": words(pdu.message)}
    if function == 11 and not request:
        return out | {"status": 0 if pdu.status else 0xFFFF, "event_count": pdu.count}
    if function == 12 and not request:
        counts = {"event_count": pdu.event_count, "message_count": pdu.message_count}
        return out | {"status": 0 if pdu.status else 0xFFFF} | counts | {"events": bytes(pdu.events).hex()}
    if function == 17 and not request:
        return out | {"server_id": (pdu.identifier + (b"\xff" if pdu.status else b"\0")).hex()}
    if function in (20, 21):
        if function == 20 and not request:
            return out | {"records": [record.record_data.hex() for record in pdu.records]}
        return out | {"references": [reference(record, function == 21) for record in pdu.records]}
    if function == 22:
        return out | {"address": pdu.address, "and_mask": pdu.and_mask, "or_mask": pdu.or_mask}
    if function == 23 and request:
        read = {"read_address": pdu.read_address, "read_quantity": pdu.read_count}
        written = {"address": pdu.write_address, "quantity": pdu.write_count, "values": list(pdu.write_registers)}
        return out | read | written
    if function == 23:
        return out | {"values": list(pdu.registers)}
    if function == 24:
        return out | ({"address": pdu.address} if request else {"values": list(pdu.values)})
    if function == 43:
        out |= {"mei": pdu.sub_function_code, "read_device_id": int(pdu.read_code)}
        if request:
            return out | {"object_id": pdu.object_id}
        texts = {key: value if isinstance(value, bytes) else value.encode() for key, value in pdu.information.items()}
        more = {"more_follows": bool(pdu.more_follows), "next_object_id": pdu.next_object_id}
        objects = [{"id": key, "value": text.decode()} for key, text in texts.items()]
        return out | {"conformity_level": pdu.conformity} | more | {"objects": objects}
    return out


def words(message) -> str:
    """The data of a diagnostic message, as pymodbus keeps it: octets, a word, several words or nothing."""
    if isinstance(message, bytes):
        return message.hex()
    if message is None:
        return ""
    return b"".join(word.to_bytes(2, "big") for word in ([message] if isinstance(message, int) else message)).hex()


def reference(record: FileRecord, data: bool) -> dict:
    out = {"file": record.file_number, "record": record.record_number, "length": record.record_length}
    return out | ({"data": record.record_data.hex()} if data else {})


def server(chosen: argparse.Namespace, steps: Steps) -> ModbusTcpServer | ModbusUdpServer:
    def device(first: int) -> ModbusDeviceContext:
        return ModbusDeviceContext(
            di=ModbusSequentialDataBlock(1, [bit % 3 == 0 for bit in range(100)]),
            co=ModbusSequentialDataBlock(1, [bit % 2 == 0 for bit in range(100)]),
            ir=ModbusSequentialDataBlock(1, [first + n for n in range(200)]),
            hr=ModbusSequentialDataBlock(1, [first + 1000 + n for n in range(200)]),
        )

    identity = ModbusDeviceIdentification(
        info_name={
            "VendorName": "Example Water",
            "ProductCode": "PS-200",
            "MajorMinorRevision": "2.4",
            "VendorUrl": "https://example.org",
            "ProductName": "Pump station PLC",
            "ModelName": "PS-200/4",
            "UserApplicationName": "Intake",
        }
    )
    context = ModbusServerContext(devices={1: device(100), 17: device(500)})
    kind = ModbusTcpServer if chosen.over == "tcp" else ModbusUdpServer
    plc = kind(
        context,
        identity=identity,
        address=(chosen.server, chosen.port),
        framer=FramerType(chosen.framing),
        ignore_missing_devices=chosen.silent,
        trace_pdu=steps.server,
    )
    if chosen.silent:
        # pymodbus 3.16 does not know that a unit is missing: it answers with exception 4, whatever it is told.
        values = plc.context.async_getValues

        async def of_known(unit, *wanted):
            if unit not in (1, 17):
                raise NoSuchIdException(f"no unit {unit}")
            return await values(unit, *wanted)

        plc.context.async_getValues = of_known
    return plc


def requests(client: AsyncModbusTcpClient):
    """Every request with its name, in order of function code."""
    yield "1 read coils", lambda: client.read_coils(0, count=10)
    yield "1 read coils of unit 17", lambda: client.read_coils(90, count=10, device_id=17)
    yield "2 read discrete inputs", lambda: client.read_discrete_inputs(5, count=16)
    yield "3 read holding registers", lambda: client.read_holding_registers(100, count=4)
    yield "3 read 125 holding registers", lambda: client.read_holding_registers(0, count=125)
    yield "3 beyond the last register", lambda: client.read_holding_registers(199, count=10)
    yield "4 read input registers", lambda: client.read_input_registers(0, count=8)
    yield "5 write single coil on", lambda: client.write_coil(3, True)
    yield "5 write single coil off", lambda: client.write_coil(3, False)
    yield "6 write single register", lambda: client.write_register(101, 450)
    yield "7 read exception status", lambda: client.read_exception_status()
    yield "8/0 return query data", lambda: client.diag_query_data(b"\xa5\x37")
    yield "8/1 restart communications", lambda: client.diag_restart_communication(False)
    yield "8/2 diagnostic register", lambda: client.diag_read_diagnostic_register()
    yield "8/3 ASCII delimiter", lambda: client.diag_change_ascii_input_delimeter(delimiter=0x0A)
    yield "8/10 clear counters", lambda: client.diag_clear_counters()
    yield "8/11 bus message count", lambda: client.diag_read_bus_message_count()
    yield "8/12 bus communication error count", lambda: client.diag_read_bus_comm_error_count()
    yield "8/13 bus exception error count", lambda: client.diag_read_bus_exception_error_count()
    yield "8/14 server message count", lambda: client.diag_read_device_message_count()
    yield "8/15 server no response count", lambda: client.diag_read_device_no_response_count()
    yield "8/16 server NAK count", lambda: client.diag_read_device_nak_count()
    yield "8/17 server busy count", lambda: client.diag_read_device_busy_count()
    yield "8/18 bus character overrun count", lambda: client.diag_read_bus_char_overrun_count()
    yield "8/20 clear overrun counter", lambda: client.diag_clear_overrun_counter()
    yield "11 comm event counter", lambda: client.diag_get_comm_event_counter()
    yield "12 comm event log", lambda: client.diag_get_comm_event_log()
    yield "15 write multiple coils", lambda: client.write_coils(10, [True, False, True, True, False, False, True, True, False, True])
    yield "16 write multiple registers", lambda: client.write_registers(100, [240, 320, 300, 900])
    yield "17 report server id", lambda: client.report_device_id()
    yield "20 read file record", lambda: client.read_file_record([FileRecord(4, 1, record_length=4), FileRecord(3, 9, record_length=4)])
    yield "21 write file record", lambda: client.write_file_record([FileRecord(4, 7, record_data=b"\x06\xaf\x04\xbe\x10\x0d")])
    yield "22 mask write register", lambda: client.mask_write_register(address=4, and_mask=0x00F2, or_mask=0x0025)
    yield "23 read/write registers", lambda: client.readwrite_registers(read_address=3, read_count=6, write_address=14, values=[255, 255, 255])
    yield "24 read FIFO queue", lambda: client.read_fifo_queue(address=0x04DE)
    for code, name in ((1, "basic"), (2, "regular"), (3, "extended")):
        yield f"43/14 {name} identification", lambda code=code: client.read_device_information(read_code=code)
    yield "43/14 one object", lambda: client.read_device_information(read_code=4, object_id=4)
    yield "3 of a unit that is not there", lambda: client.read_holding_registers(0, count=1, device_id=99)
    yield "8/4 listen only", lambda: client.diag_force_listen_only(no_response_expected=False)


async def listening(plc) -> None:
    try:
        await plc.serve_forever(background=True)
    except RuntimeError as error:
        raise SystemExit(f"cannot listen: {error}") from error


async def exchange(chosen: argparse.Namespace) -> int:
    steps = Steps()
    plc = None if chosen.ask else server(chosen, steps)
    if plc:
        await listening(plc)
    kind = AsyncModbusTcpClient if chosen.over == "tcp" else AsyncModbusUdpClient
    client = kind(
        chosen.server,
        port=chosen.port,
        source_address=(chosen.client, 0),
        framer=FramerType(chosen.framing),
        timeout=1,
        retries=0,
        trace_pdu=steps.client,
    )
    if not await client.connect():
        raise SystemExit(f"{chosen.client} cannot connect to {chosen.server}:{chosen.port}")
    unanswered = 0
    ledger = []
    # Answers that never come, or that pymodbus cannot read in this framing.
    lost = {"3 of a unit that is not there"} if chosen.silent else set()
    if chosen.framing == "rtu":
        lost |= {"24 read FIFO queue", "8/4 listen only"}
    for name, ask in requests(client):
        client.ctx.comm_params.timeout_connect = 1.5 if name in lost else 10
        try:
            answer = await ask()
        except Exception as error:  # A function that this server leaves unanswered: the request is recorded all the same.
            unanswered += 1
            answer = f"no answer: {error}"
            if not client.connected:
                client.close()
                await client.connect()
        print(f"{name}: {answer}")
        ledger += steps.take(name)
        await asyncio.sleep(0.02)
    client.close()
    if plc:
        await plc.shutdown()
    if chosen.steps:
        pathlib.Path(chosen.steps).write_text("".join(json.dumps(step) + "\n" for step in ledger))
    return unanswered


async def serve(chosen: argparse.Namespace) -> None:
    plc = server(chosen, Steps())
    await listening(plc)
    print("listening", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await plc.shutdown()


def main() -> None:
    # Requests that a server refuses are part of the recording, not news.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    chosen = options()
    if chosen.serve:
        asyncio.run(serve(chosen))
        return
    with recording(chosen.file, f"{chosen.over} port {chosen.port} and host {chosen.server}"):
        unanswered = asyncio.run(asyncio.wait_for(exchange(chosen), timeout=90))
    print(f"recorded to {chosen.file}; {unanswered} requests had no answer")


if __name__ == "__main__":
    main()
