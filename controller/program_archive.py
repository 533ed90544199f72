"""The Python programs for the machines: each one executable file, made from modules in files/.

A zip archive with a line for the kernel in front, which Python runs as it is (PEP 441). The
standard library's zipapp would store the files' own times; here the bytes depend on the modules
alone, so that a deploy from another controller changes nothing. Nothing is compressed: that needs
no zlib on the machine, and whoever opens the file there can read the program.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

from controller.rendering import FILES
from settings import nginx_paths
from settings.network import mesh_addresses

# What is in files/: the module with the program's `main`.
PROGRAMS = {
    "nginx/apply-nginx": "apply_nginx.command_line",
    "handover/handover": "handover.handover_loop",
    "watch/watch": "watch.watch_loop",
    "metrics/metrics": "metrics",
    "bird/apply-bird": "apply_bird.bird_change",
    "keepalived/apply-keepalived": "apply_keepalived.keepalived_change",
    "keepalived/notify": "notify.state_changes",
    "sysv/supervise": "supervise",
    "machine/deploy-record": "deploy_record.record_command",
}
SHARED = "common"
# What a program has in common with the controller: its path in the archive, and the module.
FROM_SETTINGS = {
    "nginx/apply-nginx": {"apply_nginx/nginx_paths.py": Path(nginx_paths.__file__)},
    "handover/handover": {"handover/mesh_addresses.py": Path(mesh_addresses.__file__)},
    "watch/watch": {"watch/mesh_addresses.py": Path(mesh_addresses.__file__)},
}


def modules(name: str) -> dict[str, str]:
    """The source of the program `name` and of what programs share, by its path in the archive."""
    own = FILES / Path(name).parent
    top = PROGRAMS[name].partition(".")[0]
    paths = {
        path.relative_to(parent).as_posix(): path.read_text()
        for parent, pattern in (
            (FILES, f"{SHARED}/*.py"),
            (own, f"{top}.py"),
            (own, f"{top}/**/*.py"),
        )
        for path in parent.glob(pattern)
    }
    paths |= {at: path.read_text() for at, path in FROM_SETTINGS.get(name, {}).items()}
    start = f"import sys\n\nfrom {PROGRAMS[name]} import main\n\nsys.exit(main())\n"
    return {"__main__.py": start, **dict(sorted(paths.items()))}


@cache
def archive(name: str) -> bytes:
    """The program `name` of `PROGRAMS` as it is placed on a machine."""
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/python3\n")
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for path, source in modules(name).items():
            entry = zipfile.ZipInfo(path)  # of the first of January 1980
            entry.create_system = 3  # Unix, also where the controller is none
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, source)
    return buffer.getvalue()
