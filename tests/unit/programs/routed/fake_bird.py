"""A BIRD that is not there: answers on a control socket as BIRD 2.0.12 was seen to.

Its configuration is text of ours. The sessions in it are Established, unless it says
`# no session`; `# no bird` is a mistake in it.
"""

from __future__ import annotations

import re
import socket
import threading
from fnmatch import fnmatch
from pathlib import Path


class FakeBird:
    """Begins with a configuration, and answers until it is stopped."""

    def __init__(self, path: Path, configuration: str) -> None:
        self.path = path
        self.commands: list[str] = []
        self.protocols: dict[str, str] = {}
        # Of what came and was not answered; whether it reads at all, or refuses.
        self.silent = False
        self.refuses = ""
        self.read(configuration)
        self.connections: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def read(self, configuration: str) -> None:
        """As after a start with it."""
        found = re.findall(r"^protocol (\w+) (\w+)[^{]*\{(.*?)^\}", configuration, re.M | re.S)
        session = "down" if "# no session" in configuration else "Established"
        self.protocols = {
            name: session if kind == "bgp" else "down" if "disabled yes;" in body else "up"
            for kind, name, body in found
        }

    def up(self) -> list[str]:
        """The protocols by which the address is announced."""
        return [name for name in self.protocols if self.protocols[name] == "up" and "vip" in name]

    def stop(self) -> None:
        self.stopped = True
        self.listener.close()
        for each in self.connections:
            each.close()
        self.path.unlink(missing_ok=True)

    def drop(self) -> None:
        """Close what is connected, as at its end."""
        for each in self.connections:
            each.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def _accept(self) -> None:
        while not self.stopped:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if not self.silent:
                connection.sendall(b"0001 BIRD 2.0.12 ready.\n")
            with connection.makefile() as lines:
                for line in lines:
                    self.commands.append(line.strip())
                    if not self.silent:
                        connection.sendall(self._answer(line.strip()).encode())
        except (OSError, ValueError):
            return

    def _answer(self, command: str) -> str:
        verb, _, rest = command.partition(" ")
        if self.refuses and verb == "enable":
            return f"{self.refuses}\n"
        if verb in ("enable", "disable"):
            names = [name for name in self.protocols if fnmatch(name, rest.strip('"'))]
            state, code = ("up", 11) if verb == "enable" else ("down", 9)
            self.protocols |= dict.fromkeys(names, state)
            said = [f"{f'{code:04}-' if not at else ' '}{n}: {verb}d" for at, n in enumerate(names)]
            return "\n".join([*said, "0000 \n"]) if names else "8003 No protocols match\n"
        if command.startswith("show protocols"):
            return self._table(rest.partition(" ")[2].strip('"') or "*")
        if command == "show status":
            return "1000-BIRD 2.0.12\n1011-Router ID is 10.1.0.11\n0013 Daemon is up and running\n"
        if verb == "configure":
            text = Path(rest.strip('"')).read_text()
            if "# no bird" in text:
                return f"0002-Reading configuration from {rest}\n8002 {rest}:1:1 syntax error\n"
            self.read(text)
            return f"0002-Reading configuration from {rest}\n0003 Reconfigured\n"
        return "9001 syntax error, unexpected CF_SYM_UNDEFINED\n"

    def _table(self, pattern: str) -> str:
        rows = ["2002-Name       Proto      Table      State  Since         Info"]
        for at, (name, state) in enumerate(self.protocols.items()):
            if fnmatch(name, pattern):
                more = "up     10:00:00.000  Established" if state == "Established" else state
                rows.append(f"{'1002-' if not at else ' '}{name} BGP        ---        {more}")
        return "\n".join([*rows, "0000 \n"])
