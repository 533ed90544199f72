"""Runs pyinfra and counts its round trips: python -m bench.machinery.round_trips FILE WORDS...

FILE gets JSON: by machine, how many commands were run and files moved over its connection.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pyinfra.connectors.ssh import SSHConnector
from pyinfra_cli.main import main

COUNTED = ("run_shell_command", "put_file", "get_file")


def count(seen: Counter[str], connector: type[Any]) -> None:
    """Let each of a connector's doors be counted by whose machine it leads to."""
    for name in COUNTED:
        real = getattr(connector, name)

        def door(self: Any, *words: Any, _real: Any = real, **options: Any) -> Any:
            seen[self.host.name] += 1
            return _real(self, *words, **options)

        setattr(connector, name, door)


def begin(path: Path) -> None:
    seen: Counter[str] = Counter()
    count(seen, SSHConnector)

    def tell() -> None:
        path.write_text(json.dumps(seen))

    leave = os._exit

    def told(code: int) -> None:
        tell()
        leave(code)

    atexit.register(tell)
    # verify.py leaves by this door, past `atexit`.
    os._exit = told  # type: ignore[assignment]


if __name__ == "__main__":
    begin(Path(sys.argv[1]))
    sys.argv = ["pyinfra", *sys.argv[2:]]
    sys.exit(main())
