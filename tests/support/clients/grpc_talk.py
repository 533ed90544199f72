"""A gRPC service that says everything back, and a client that talks with it on one stream.

    python -m tests.support.clients.grpc_talk serve ADDRESS:PORT
    … talk ADDRESS:PORT SECONDS      a message after another, for so long or until stdin is closed
    … silent ADDRESS:PORT SECONDS    three, two of them large, and one after so long a silence

Both say in JSON how many messages came back, and what went wrong.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import Any

import grpc

from tests.support.clients import told_to_end

AUTHORITY = "grpc.example.org"
METHOD = "/tandem.Echo/Talk"
ANSWER_TIMEOUT_S = 10
PAUSE_S = 0.05


def serve(address: str) -> tuple[Any, int]:
    """A server that has started, and its port. It ends with what holds it."""

    def back(messages: Iterable[bytes], _: Any) -> Iterator[bytes]:
        yield from messages

    handler = grpc.stream_stream_rpc_method_handler(back)
    service, _, method = METHOD.removeprefix("/").partition("/")
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {method: handler})]
    )
    port: int = server.add_insecure_port(address)
    server.start()
    return server, port


class Talk:
    """One stream, kept open; each message is answered before the next one."""

    def __init__(self, address: str) -> None:
        options = [("grpc.default_authority", AUTHORITY), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options)
        self._said: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers = self._channel.stream_stream(METHOD)(iter(self._said.get, None))
        self._heard: queue.SimpleQueue[bytes | str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for answer in self._answers:
                self._heard.put(answer)
            self._heard.put("the stream has ended")
        except grpc.RpcError as error:
            self._heard.put(f"{error.code()}: {error.details()}")

    def ask(self, message: bytes) -> str:
        """What is wrong with its answer, "" for nothing."""
        self._said.put(message)
        try:
            answer = self._heard.get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            return f"no answer for {ANSWER_TIMEOUT_S} s"
        if isinstance(answer, str):
            return answer
        return "" if answer == message else f"{answer[:40]!r} for {message[:40]!r}"

    def close(self) -> None:
        self._said.put(None)
        self._channel.close()


def _one_by_one(seconds: float) -> Iterator[bytes]:
    told_to_end.listen()
    for count in told_to_end.numbers(seconds, PAUSE_S):
        yield b"message %d" % count


def _silent(seconds: float) -> Iterator[bytes]:
    yield from (b"hello", bytes(900_000), bytes(900_000))
    time.sleep(seconds)
    yield b"still there"


def main(verb: str, address: str, seconds: str = "0") -> None:
    if verb == "serve":
        server, _ = serve(address)
        print("ready", flush=True)
        server.wait_for_termination()
        return
    talk, count, problem = Talk(address), 0, ""
    messages = _one_by_one(float(seconds)) if verb == "talk" else _silent(float(seconds))
    for message in messages:
        if problem := talk.ask(message):
            break
        count += 1
        if count == 1 and verb == "talk":
            print("running", flush=True)
    talk.close()
    print(json.dumps({"answered": count, "problem": problem}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
