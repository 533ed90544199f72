"""What changed files mean for a service that runs: a plan has to know before they are there.

files/machine/running-state decides it on the machine, once they are; its lists are read here, so
that there are no two of them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import cache
from typing import NamedTuple

from controller import rendering

_UNITS = (
    "/etc/systemd/system/{0}.service",
    "/etc/systemd/system/{0}.service.d/*",
    "/etc/init.d/{0}",
    "/etc/default/{0}",
    "/etc/sysconfig/{0}",
)


class UnitEffect(NamedTuple):
    """Whether a service has to be restarted, its unit read, its configuration read."""

    restarts: bool = False
    is_read: bool = False
    reloads: bool = False


class _Lists(NamedTuple):
    """running-state's: lines of a unit that mean no restart, lines of an init script that do, and
    the programs of each service."""

    passed: re.Pattern[str]
    started_with: re.Pattern[str]
    programs: Mapping[str, tuple[str, ...]]


@cache
def _lists() -> _Lists:
    script = rendering.read("machine/running-state")
    names = "|".join(re.findall(r'^systemds="(?:\$systemds\|)?(.*)"$', script, re.MULTILINE))
    (started,) = re.findall(r'^started_with="(.*)"$', script, re.MULTILINE)
    programs = re.findall(r'^ +(tandem-\w+)\) programs="?([^"]*?)"? ;;$', script, re.MULTILINE)
    return _Lists(
        re.compile(rf"({names})=|#|\[|$"),
        re.compile(started),
        {service: tuple(paths.split()) for service, paths in programs},
    )


def is_unit(service: str, path: str) -> bool:
    """Whether the file at `path` is, or is read with, what defines a service."""
    return any(fnmatch(path, pattern.format(service)) for pattern in _UNITS)


def effect(
    service: str, staged: str, before: Mapping[str, str], texts: Mapping[str, str | bytes]
) -> UnitEffect:
    """What it means for `service` that files get other content.

    + staged: where its new configuration waits for the machine's turn, "" for nowhere.
    + before: what is in the units' files now, by their path.
    + texts: the new content of every file that changes, by its path.
    """
    lists = _lists()
    units = [path for path in texts if is_unit(service, path)]
    decisive = any(
        _decisive(path, before.get(path, "")) != _decisive(path, _text(texts[path]))
        for path in units
    )
    configuration = any(
        path == staged or path.startswith(f"/etc/{service}/") for path in texts if path
    )
    return UnitEffect(
        restarts=decisive or any(path in texts for path in lists.programs.get(service, ())),
        is_read=any(path.startswith("/etc/systemd/") for path in units),
        reloads=configuration,
    )


def _decisive(unit: str, text: str) -> list[str]:
    """The lines of a unit's file with which the process was started."""
    lists, lines = _lists(), text.splitlines()
    if unit.startswith("/etc/systemd/"):
        return [line for line in lines if not lists.passed.match(line)]
    return [line for line in lines if lists.started_with.match(line)]


def _text(content: str | bytes) -> str:
    return content.decode(errors="replace") if isinstance(content, bytes) else content
