#!/usr/bin/env python3
"""Records every public Modbus function between a pymodbus client and a pymodbus server.

    pip install pymodbus        # recorded with 3.16
    sudo python3 captures/record_modbus.py [FILE]     # default: captures/modbus-functions.pcap

Everything stays on loopback: client 127.50.0.10, server 127.50.1.1 port 5502. Each request is printed as it is made.
"""

import asyncio
import logging
import pathlib
import sys

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.pdu.file_message import FileRecord
from pymodbus.server import ModbusTcpServer

from tcpdump import recording

CLIENT, SERVER, PORT = "127.50.0.10", "127.50.1.1", 5502


def server() -> ModbusTcpServer:
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
    return ModbusTcpServer(context, identity=identity, address=(SERVER, PORT))


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
    yield "8/4 listen only", lambda: client.diag_force_listen_only()


async def exchange() -> int:
    plc = server()
    serving = asyncio.create_task(plc.serve_forever())
    await asyncio.sleep(0.3)
    client = AsyncModbusTcpClient(SERVER, port=PORT, source_address=(CLIENT, 0), timeout=1, retries=0)
    if not await client.connect():
        raise SystemExit(f"{CLIENT} cannot connect to {SERVER}:{PORT}")
    unanswered = 0
    for name, ask in requests(client):
        try:
            answer = await ask()
        except Exception as error:  # A function that this server leaves unanswered: the request is recorded all the same.
            unanswered += 1
            answer = f"no answer: {error}"
            if not client.connected:
                client.close()
                await client.connect()
        print(f"{name}: {answer}")
        await asyncio.sleep(0.02)
    client.close()
    await plc.shutdown()
    serving.cancel()
    return unanswered


def main() -> None:
    # Requests that a server refuses are part of the recording, not news.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    default = pathlib.Path(__file__).with_name("modbus-functions.pcap")
    path = sys.argv[1] if len(sys.argv) > 1 else str(default)
    with recording(path, f"tcp port {PORT} and host {SERVER}"):
        unanswered = asyncio.run(exchange())
    print(f"recorded to {path}; {unanswered} requests had no answer")


if __name__ == "__main__":
    main()
