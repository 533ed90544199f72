"""Directories and small files that must be there after every boot, by tmpfiles.d.

Without systemd the services' init scripts make theirs before they start.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.batched_facts import LinesFact, change, parallel
from tasks.machine import one_file, service_state


class MissingPaths(LinesFact):
    """Which of a tmpfiles.d file and the paths that it names are not there."""

    def command(self, path: str) -> str:
        return (
            f"[ -e {path} ] || echo {path}; awk '/^[df] / {{ print $2 }}' {path} 2>/dev/null | "
            'while read -r wanted; do [ -e "$wanted" ] || echo "$wanted"; done'
        )


def install(path: str, content: str) -> None:
    """Install the tmpfiles.d file at `path`, and make now what it will make at each boot."""
    one_file.file(f"tmpfiles.d: {path.rpartition('/')[2]}", path, content)
    parallel.request(MissingPaths, path=path)
    create_missing(name=f"tmpfiles.d: make what {path.rpartition('/')[2]} names", path=path)


@change("what {path} names is there")
def create_missing(path: str) -> Iterator[str]:
    """Make what is missing of what the tmpfiles.d file at `path` names."""
    if parallel.get(MissingPaths, path=path):
        yield f"{service_state.MANAGER} tmpfiles {path}"
