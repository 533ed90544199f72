"""The Python programs that run on the machines: their modules, and the files as they are placed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from controller import program_archive
from controller.rendering import FILES

# As in each program's archive: what is shared, and the program's own.
sys.path += [str(FILES), *(str((FILES / name).parent) for name in program_archive.PROGRAMS)]
for shared in program_archive.FROM_SETTINGS.values():
    for archived, source in shared.items():
        import_module(str(Path(archived).parent)).__path__.append(str(source.parent))


def load(module: str) -> Any:
    """A module of files/ by its name in a program's archive, like "apply_nginx.decision"."""
    return import_module(module)


def placed(name: str, directory: Path) -> Path:
    """The program `name` of PROGRAMS as one file in `directory`, which can be run."""
    path = directory / Path(name).name
    path.write_bytes(program_archive.archive(name))
    path.chmod(0o755)
    return path
