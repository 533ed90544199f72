"""Directories and small files that must be there after every boot, by tmpfiles.d.

Without systemd the services' init scripts make theirs before they start.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.batched_facts import LinesFact, change, parallel
from tasks.machine import one_file, service_state


class WrongPaths(LinesFact):
    """Which of a tmpfiles.d file and the paths that it names are not there, or not as it says:
    "MODE USER GROUP PATH" as they should be."""

    def command(self, path: str) -> str:
        return (
            f"[ -e {path} ] || echo {path}; "
            f"wanted=$(awk '/^[df] / {{ print $3, $4, $5, $2 }}' {path} 2>/dev/null); "
            "there=$(echo \"$wanted\" | cut -d ' ' -f 4 | "
            "xargs -r stat -c '%04a %U %G %n' 2>/dev/null); "
            'echo "$wanted" | grep -vxF "$there"; true'
        )


def install(path: str, content: str) -> None:
    """Install the tmpfiles.d file at `path`, and make now what it will make at each boot."""
    one_file.file(f"tmpfiles.d: {path.rpartition('/')[2]}", path, content)
    parallel.request(WrongPaths, path=path)
    make_right(name=f"tmpfiles.d: make what {path.rpartition('/')[2]} names", path=path)


@change("what {path} names is there", amends={one_file.InstalledFiles})
def make_right(path: str) -> Iterator[str]:
    """Make what the tmpfiles.d file at `path` names, with the modes and owners that it says."""
    if parallel.get(WrongPaths, path=path):
        yield f"{service_state.MANAGER} tmpfiles {path}"
