"""A client of its own process: prints the types of the first H.264 units (RFC 6184) it gets, one line.

    python tests/support/aiortsp_client.py rtsp://127.0.0.1:8554/mosaic 40
"""
import asyncio
import os
import sys

from aiortsp.rtsp.reader import RTSPReader

FU_A = 28


async def nal_types(uri, packets):
    found = []
    async with RTSPReader(uri, timeout=10) as reader:
        async for packet in reader.iter_packets():
            kind = packet.data[0] & 31
            found.append(packet.data[1] & 31 if kind == FU_A else kind)
            if len(found) == packets:
                print(*found, flush=True)
                os._exit(0)  # the library leaves tasks behind that complain when their loop goes


asyncio.new_event_loop().run_until_complete(asyncio.wait_for(nal_types(sys.argv[1], int(sys.argv[2])), 30))
