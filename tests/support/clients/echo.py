"""A server that says everything back under its node's name, and a client's connection to it."""

from __future__ import annotations

import socket

# Says its node's name before each line that it is sent; "drip" makes it speak by itself.
ECHO = """
import socket, sys, threading, time
def serve(connection, name):
    with connection, connection.makefile() as lines:
        for line in lines:
            if line == "bye\\n":
                return
            while line == "drip\\n":
                connection.sendall(b"%s\\n" % name)
                time.sleep(0.05)
            connection.sendall(b"%s %s" % (name, line.encode()))
def listen(family, address):
    server = socket.create_server((address, int(sys.argv[2])), family=family, backlog=100)
    while True:
        connection = server.accept()[0]
        threading.Thread(target=serve, args=(connection, sys.argv[1].encode()), daemon=True).start()
threading.Thread(target=listen, args=(socket.AF_INET6, "::"), daemon=True).start()
listen(socket.AF_INET, "0.0.0.0")
"""


class Conversation:
    """A client's connection to an echo."""

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self.lines = connection.makefile()

    def ask(self, text: str = "hello") -> str:
        """The name of the node that answers. Raises `ConnectionError` or `TimeoutError`."""
        self.socket.sendall(f"{text}\n".encode())
        answer = self.lines.readline()
        if not answer:
            raise ConnectionResetError("closed")
        name, said = answer.split()
        assert said == text
        return name

    def close(self) -> None:
        self.lines.close()
        self.socket.close()
