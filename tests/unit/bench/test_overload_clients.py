"""Each client's requests are counted, and one that gets no success is not taken for served."""

from __future__ import annotations

import asyncio

import pytest

from bench.machinery import overload_clients


async def ask(answer: bytes) -> overload_clients.Counts:
    """What is counted where everybody is answered so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.01)  # so that several are under way
        writer.write(answer)
        writer.close()

    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        clients = overload_clients.Clients("127.0.0.1", port, port, loop.time() + 1.5)
        await asyncio.gather(clients.behaving(), *(clients.flooding(0, 0) for _ in range(5)))
        return clients.counts


@pytest.mark.parametrize("status", ["200 OK", "503 Busy", ""])
def test_a_request_counts_as_served_if_its_answer_is_a_success(status: str) -> None:
    found = asyncio.run(ask(f"HTTP/1.1 {status}\r\n\r\n".encode() if status else b""))
    assert found.asked >= 5 and found.flooded > 20
    all_are = (found.served, found.flood_served) == (found.asked, found.flooded)
    none_is = found.served == found.flood_served == 0
    assert all_are if status == "200 OK" else none_is
