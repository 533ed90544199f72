"""What a concern leaves on a machine, as one value: teardown removes what it names.

Each concern names its own in its folder, and a test compares all of them with what a deploy places.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

from controller.batched_facts import LinesFact, change, rolling
from tasks.machine import units
from tasks.machine.quoting import quoted

# Whether a deploy was here. Without these, whatever else is on a machine is left alone.
IS_DEPLOYED = "{ [ -e /usr/lib/tandem ] || [ -e /var/lib/tandem ]; }"
# Whether a directory is to be left: it is not there, not empty, or a package's.
STAYS = (
    '[ ! -d {0} ] || [ -n "$(ls -A {0})" ] || dpkg -S {0} >/dev/null 2>&1 || '
    "rpm -qf {0} >/dev/null 2>&1"
)


@dataclass(frozen=True)
class Footprint:
    """What one concern places on a machine. Files and tables are patterns of a shell.

    + units: services that it defines, by a unit of systemd or an init script.
    + tables: names of its tables of nftables.
    + trees: directories that are its own, with all that is in them.
    + directories: they go when they are empty and no package's; the innermost first.
    + links: they go only if they lead below /usr/lib/tandem.
    + marked: files that go only if they say that a deploy has written them: their places are a
      package's.
    + lists: (list, directory): a file on the machine that names further files in a directory.
    """

    concern: str
    units: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    lists: tuple[tuple[str, str], ...] = ()

    @property
    def all_files(self) -> tuple[str, ...]:
        """The files, with those that define its services."""
        return (*self.files, *(path for unit in self.units for path in units.paths(unit)))

    def covers(self, path: str) -> bool:
        """Whether `path` is removed with it; what a list names is not known here."""
        inside = any(path == tree or path.startswith(f"{tree}/") for tree in self.trees)
        named = (*self.all_files, *self.directories, *self.links, *self.marked)
        return inside or any(fnmatch(path, pattern) for pattern in named)


def _questions(footprint: Footprint) -> Iterator[str]:
    """Shell that prints what is there."""
    for pattern in footprint.all_files:
        directory, name = posixpath.split(pattern)
        # And what a deploy that was killed has left beside it.
        left = f"{directory}/.{name}.new {directory}/.{name}.*.new"
        yield f'for it in {pattern} {left}; do [ ! -f "$it" ] || echo "$it"; done'
    for marked in footprint.marked:
        yield f'! grep -q "Written by Tandem\'s deploy" {marked} || echo {marked}'
    for tree in footprint.trees:
        yield f'[ ! -e {tree} ] || echo "{tree}"'
    for directory in footprint.directories:
        yield f"{STAYS.format(directory)} || echo {directory}"
    for link in footprint.links:
        yield (
            f'for it in {link} {link}.new; do case "$(readlink "$it")" in /usr/lib/tandem/*) '
            'echo "$it" ;; esac; done'
        )
    for listing, directory in footprint.lists:
        yield (
            f"while read -r name; do for it in {directory}/$name; do "
            f'[ ! -f "$it" ] || echo "$it"; done; done <{listing}'
        )


class PlacedPaths(LinesFact):
    """The paths of a footprint that exist, on a machine that was deployed."""

    def command(self, footprint: Footprint) -> str:
        questions = "; ".join(_questions(footprint))
        return f"if {IS_DEPLOYED}; then {{ {questions}; }} 2>/dev/null; fi; true"

    def process(self, output: list[str]) -> list[str]:
        return list(dict.fromkeys(output))


@change("nothing of it is there")
def remove_placed(footprint: Footprint) -> Iterator[str]:
    """Remove the files, trees and directories of a footprint."""
    found = rolling.get(PlacedPaths, footprint=footprint)
    if removed := [path for path in found if path not in footprint.directories]:
        yield quoted("rm", "-rf", "--", *removed)
    for directory in footprint.directories if found else ():
        yield f"{STAYS.format(directory)} || rmdir {directory}"
