"""Run pyinfra and count its round trips: python -m bench.machinery.round_trips FILE ARGUMENTS...

FILE gets JSON: by machine, the number of commands and file transfers over its connection.
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

from controller.ssh.machine_connector import MachineConnector

COUNTED = ("run_shell_command", "put_file", "get_file")


def count_calls(counts: Counter[str], connector: type[Any]) -> None:
    """Make a connector class count its remote calls in `counts`, by machine name."""
    for name in COUNTED:
        original = getattr(connector, name)

        def counted(self: Any, *args: Any, _original: Any = original, **options: Any) -> Any:
            counts[self.host.name] += 1
            return _original(self, *args, **options)

        setattr(connector, name, counted)


def write_at_exit(path: Path) -> None:
    """Count from now on, and write the counts to `path` when the process ends."""
    counts: Counter[str] = Counter()
    # pyinfra's own, which the deploys beside Tandem's use, and Tandem's.
    for connector in (SSHConnector, MachineConnector):
        count_calls(counts, connector)
    original_exit = os._exit

    def write() -> None:
        path.write_text(json.dumps(counts))

    def write_and_exit(code: int) -> None:
        write()
        original_exit(code)

    atexit.register(write)
    # verify.py ends with os._exit, which skips `atexit`.
    os._exit = write_and_exit  # type: ignore[assignment]


if __name__ == "__main__":
    write_at_exit(Path(sys.argv[1]))
    sys.argv = ["pyinfra", *sys.argv[2:]]
    sys.exit(main())
