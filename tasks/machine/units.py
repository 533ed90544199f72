"""The files that define a service: a unit of systemd, or an init script."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.machine import one_file
from tasks.machine.survey import SurveyedMachine


@dataclass(frozen=True)
class UnitFile:
    """One definition, as `one_file.file` takes it."""

    path: str
    content: str
    mode: str = "644"


def path(service: str, machine: SurveyedMachine) -> str:
    """Where a service that a deploy defines is defined."""
    systemd, init_script = paths(service)
    return systemd if machine.systemd else init_script


def paths(service: str) -> tuple[str, str]:
    """Where a service is defined with systemd, and where without."""
    return f"/etc/systemd/system/{service}.service", f"/etc/init.d/{service}"


def install(name: str, unit: UnitFile) -> None:
    """Put a definition into its place; the machine's turn has the init system read it."""
    one_file.file(name=name, path=unit.path, content=unit.content, mode=unit.mode)
