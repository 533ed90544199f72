"""Requests at a fixed rate on connections that stay: python -m … ADDRESS CONNECTIONS RATE SECONDS

Says in JSON how many were answered, and what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

LENGTH = re.compile(rb"(?i)content-length: (\d+)")


async def ask(address: str, pause_s: float, end_s: float, problems: list[str]) -> int:
    """One connection's requests, `pause_s` apart."""
    reader, writer = await asyncio.open_connection(address, 80)
    count, due_s = 0, time.monotonic()
    try:
        while due_s < end_s:
            writer.write(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
            count += 1
            due_s += pause_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    except (OSError, asyncio.IncompleteReadError) as error:
        problems.append(repr(error))
    writer.close()
    return count


async def main(address: str, connections: int, rate: float, seconds: float) -> None:
    problems: list[str] = []
    end_s = time.monotonic() + seconds
    each = (ask(address, connections / rate, end_s, problems) for _ in range(connections))
    answered = sum(await asyncio.gather(*each))
    print(json.dumps({"answered": answered, "problems": problems}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
