"""The files that define a service: a unit of systemd, or an init script."""

from __future__ import annotations

from tasks.machine import one_file
from tasks.machine.survey import SurveyedMachine


def path(service: str, machine: SurveyedMachine) -> str:
    """Where a service that a deploy defines is defined."""
    systemd, init_script = paths(service)
    return systemd if machine.systemd else init_script


def paths(service: str) -> tuple[str, str]:
    """Where a service is defined with systemd, and where without."""
    return f"/etc/systemd/system/{service}.service", f"/etc/init.d/{service}"


def install(name: str, service: str, machine: SurveyedMachine, text: str) -> None:
    """Put a definition into its place; the machine's turn has the init system read it."""
    mode = "644" if machine.systemd else "755"
    one_file.file(name, path(service, machine), text, mode=mode)
