"""What a concern leaves on a machine, as one value: teardown removes what it names.

Each concern names its own in its folder, and a test compares all of them with what a deploy places.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

from controller import run_changes
from controller.batched_facts import LinesFact, change, parallel, rolling
from tasks.machine import units
from tasks.machine.quoting import quoted

# Whether a deploy was here. Without these, whatever else is on a machine is left alone.
IS_DEPLOYED = "{ [ -e /usr/lib/tandem ] || [ -e /var/lib/tandem ]; }"
# Where what we place is, and what tells systemd and the package manager of it.
_WRITTEN = (
    *("/etc", "/etc/nginx", "/etc/keepalived", "/etc/systemd/system", "/run"),
    *("/usr/lib", "/usr/sbin", "/var/lib", "/var/lib/tandem", "/var/lib/dpkg", "/var/lib/rpm"),
)
# Prints those of them that cannot be written, whoever asks.
READ_ONLY = f'for it in {" ".join(_WRITTEN)}; do [ ! -d "$it" ] || [ -w "$it" ] || echo "$it"; done'
# What to do about them.
REMOUNT = "see why (dmesg), remount it (mount -o remount,rw), and run this again"
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
    + passing: what there is only while a command of a deploy is at work. What one that was killed
      has left, the next deploy removes.
    + programs_passing: the same of a program, which removes it itself when it runs again.
    + busy: shell that fails while something may still work with what is `passing`.

    Beside each file and link there may be, while it is replaced, those of `beside`; nobody has to
    name them.
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
    passing: tuple[str, ...] = ()
    programs_passing: tuple[str, ...] = ()
    busy: str = ""

    @property
    def all_files(self) -> tuple[str, ...]:
        """The files, with those that define its services."""
        return (*self.files, *(path for unit in self.units for path in units.paths(unit)))

    @property
    def beside(self) -> tuple[str, ...]:
        """Patterns of what is beside its files and links while they are replaced."""
        replaced = (*self.all_files, *self.marked, *self.links)
        made = [pattern for path in replaced for pattern in beside(path)]
        return (*made, *(f"{link}.new" for link in self.links))

    def covers(self, path: str) -> bool:
        """Whether `path` is removed with it; what a list names is not known here."""
        inside = any(path == tree or path.startswith(f"{tree}/") for tree in self.trees)
        named = (*self.all_files, *self.directories, *self.links, *self.marked)
        named += (*self.beside, *self.passing, *self.programs_passing)
        return inside or any(fnmatch(path, pattern) for pattern in named)


def beside(path: str) -> tuple[str, ...]:
    """Patterns of what is beside the file at `path` while it is replaced: by an upload
    (one_file.py), by a program (files/common/machine_files.py), or together with others."""
    directory, name = posixpath.split(path)
    return f"{directory}/.{name}.*.new", f"{directory}/.{name}.new", f"{directory}/.{name}.old"


def _questions(footprint: Footprint) -> Iterator[str]:
    """Shell that prints what is there."""
    for pattern in footprint.all_files:
        yield f'for it in {pattern}; do [ ! -f "$it" ] || echo "$it"; done'
    yield _show(*footprint.beside, *footprint.passing, *footprint.programs_passing)
    for marked in footprint.marked:
        yield f'! grep -q "Written by Tandem\'s deploy" {marked} || echo {marked}'
    for tree in footprint.trees:
        yield f'[ ! -e {tree} ] || echo "{tree}"'
    for directory in footprint.directories:
        yield f"{STAYS.format(directory)} || echo {directory}"
    for link in footprint.links:
        yield f'case "$(readlink {link})" in /usr/lib/tandem/*) echo {link} ;; esac'
    for listing, directory in footprint.lists:
        left = (f"{directory}/$in{name.lstrip('/')}" for name in beside("/$base"))
        its = _show(f"{directory}/$name", *left)
        # A name may have directories in front.
        parts = 'base=${name##*/}; in=${name%"$base"}'
        yield f"while read -r name; do {parts}; {its}; done <{listing}"


def _show(*patterns: str) -> str:
    """Shell that prints what there is of it."""
    each = " ".join(patterns)
    return f'for it in {each}; do {{ [ ! -e "$it" ] && [ ! -L "$it" ]; }} || echo "$it"; done'


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
    if any(run_changes.plans(unit, "remove") for unit in footprint.units):
        return  # with its service goes all of it
    found = rolling.get(PlacedPaths, footprint=footprint)
    if removed := [path for path in found if path not in footprint.directories]:
        yield quoted("rm", "-rf", "--", *removed)
    for directory in footprint.directories if found else ():
        yield f"{STAYS.format(directory)} || rmdir {directory}"


# --- what runs that were cut off have left -------------------------------------------------------


class LeftPaths(LinesFact):
    """Paths of what runs that were killed have left of `footprints`.

    What a program has left, it removes itself, since it may still be at work: what is uploaded has
    the run in its name, ".NAME.RUN.new".
    """

    def command(self, footprints: tuple[Footprint, ...]) -> str:
        shown: list[str] = []
        for each in footprints:
            paths = (*each.all_files, *each.marked)
            uploads = (f"{posixpath.dirname(path)}/.{posixpath.basename(path)}" for path in paths)
            shown.append(_show(*(f"{upload}.????????.new" for upload in uploads)))
            if each.passing:
                free = f"{each.busy} && " if each.busy else ""
                shown.append(f"{free}{_show(*each.passing)}")
            if own := " ".join(tree for tree in each.trees if "/tandem" in tree):
                shown.append(f"find {own} -maxdepth 2 -type f -name '.*.????????.new'")
        return f"{{ {'; '.join(shown)}; }} 2>/dev/null; true"

    def process(self, output: list[str]) -> list[str]:
        return list(dict.fromkeys(output))


@change("nothing was left by a run that was cut off", LeftPaths, counts=False)
def remove_left(footprints: tuple[Footprint, ...]) -> Iterator[str]:
    """Remove what commands of runs that were cut off have left."""
    if found := parallel.get(LeftPaths, footprints=footprints):
        # What cannot be removed stops nobody: whoever needs its place says why it cannot be.
        yield f"{quoted('rm', '-rf', '--', *found)} || true"
