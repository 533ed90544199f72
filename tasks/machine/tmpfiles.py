"""Directories and small files that must be there after every boot, by tmpfiles.d.

Without systemd the services' init scripts make theirs before they start.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation

from controller import batched_facts
from tasks.machine import one_file, service_state


class MissingPaths(FactBase[list[str]]):
    """Which of a tmpfiles.d file and the paths that it names are not there."""

    default = list

    def command(self, path: str) -> str:
        return (
            f"[ -e {path} ] || echo {path}; awk '/^[df] / {{ print $2 }}' {path} 2>/dev/null | "
            'while read -r wanted; do [ -e "$wanted" ] || echo "$wanted"; done'
        )

    def process(self, output: list[str]) -> list[str]:
        return output


def install(path: str, content: str) -> None:
    """Install the tmpfiles.d file at `path`, and make now what it will make at each boot."""
    one_file.file(name=f"tmpfiles.d: {path.rpartition('/')[2]}", path=path, content=content)
    batched_facts.parallel.request(MissingPaths, path=path)
    create_missing(name=f"tmpfiles.d: make what {path.rpartition('/')[2]} names", path=path)


@operation()
def create_missing(path: str) -> Generator[StringCommand, None, None]:
    """Make what is missing of what the tmpfiles.d file at `path` names."""
    if not batched_facts.parallel.get(MissingPaths, path=path):
        host.noop(f"what {path} names is there")
        return
    batched_facts.invalidate()
    yield StringCommand(service_state.MANAGER, "tmpfiles", path)
