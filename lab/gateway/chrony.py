"""The program chronyd, unpacked without installing its package.

Installed, chrony would become this machine's own time service and replace an existing one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.host.process import run
from lab.paths import lab_cache

PROGRAM = Path("usr/sbin/chronyd")


def path() -> str:
    """This machine's own chronyd, else the one fetched by `ensure`."""
    return shutil.which("chronyd") or str(lab_cache() / "chrony" / PROGRAM)


def command(configuration_file: str) -> tuple[str, ...]:
    """The time service in the foreground."""
    # -x: never set the clock, which is this machine's.
    return (path(), "-x", "-d", "-u", "root", "-f", configuration_file)


def configuration(pid_file: str) -> str:
    """It answers every client, synchronised or not, and accepts no commands."""
    return f"""\
local stratum 8
allow all
cmdport 0
bindcmdaddress /
pidfile {pid_file}
"""


def ensure() -> None:
    """Fetch the package and unpack it into the cache, unless a chronyd exists.

    Raises `LabError` if apt cannot download it.
    """
    if Path(path()).exists():
        return
    lab_cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab_cache()) as beside:
        try:
            run(["sh", "-c", f"cd '{beside}' && apt-get -qq download chrony"])
            run(["sh", "-c", f"dpkg-deb --extract '{beside}'/chrony_*.deb '{beside}/chrony'"])
        except LabError as error:
            raise LabError(f"{error}\napt's lists may be missing. Run: apt-get update") from error
        try:
            os.rename(Path(beside) / "chrony", lab_cache() / "chrony")
        except OSError:  # another lab may have done it in the meantime
            if not Path(path()).exists():
                raise
