"""A machine's disk as apply-nginx finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import NginxProcesses

layout = programs.load("apply_nginx.layout")
generations = programs.load("apply_nginx.generations")
installed_files = programs.load("apply_nginx.installed_files")


class Disk:
    """A bare disk: STATE, BUILDS, /etc/nginx, the link to the binary and the unit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc, self.builds, self.state = root / "etc", root / "builds", root / "home"
        self.commands: list[tuple[str, ...]] = []
        (self.state / "generations").mkdir(parents=True)
        self.builds.mkdir()

    def generation(self, name: str, build: str = "old", **files: str) -> Any:
        """A generation with an nginx.conf of its own, and with `files`: __a is conf.d/a."""
        directory = self.state / "generations" / name
        (self.builds / build).mkdir(parents=True, exist_ok=True)
        (self.builds / build / "nginx").touch()
        for path, text in ({"nginx.conf": f"# {name}"} | files).items():
            file = directory / "etc" / path.replace("__", "/conf.d/").lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (directory / "unit").write_text("[Service]\n")
        (directory / "about").write_text(f"build={build}\nport=80\ndrain_timeout_s=0.2\n")
        return generations.StoredGeneration(str(directory))

    def in_etc(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.etc)): path.read_text()
            for path in self.etc.rglob("*")
            if path.is_file()
        }

    def links(self) -> dict[str, str]:
        names = ("staged", "current", "previous", "before")
        return {name: found.name for name in names if (found := generations.linked(name))}


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    places = {"STATE": "home", "BUILDS": "builds", "BINARY": "sbin-nginx", "ETC": "etc"}
    for name, place in (places | {"UNIT": "unit"}).items():
        monkeypatch.setattr(layout, name, str(tmp_path / place))
    disk = Disk(tmp_path)
    monkeypatch.setattr(installed_files, "must", lambda *words: disk.commands.append(words))
    return disk


@pytest.fixture
def nginx(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> NginxProcesses:
    """No process yet; and nobody is waited for longer than a moment."""
    monkeypatch.setattr(
        programs.load("apply_nginx.serving.hot_upgrade"), "TAKE_OVER_TIMEOUT_S", 0.3
    )
    monkeypatch.setattr(programs.load("apply_nginx.serving.hot_upgrade"), "START_TIMEOUT_S", 0.2)
    return NginxProcesses(monkeypatch, disk.root)
