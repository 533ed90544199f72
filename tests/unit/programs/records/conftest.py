"""A machine's disk as deploy-record finds it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.nginx import sites
from tests.support import programs

program = programs.load("deploy_record.record_command")
generations = programs.load("deploy_record.machine_generations")
deploy_log = programs.load("deploy_record.deploy_log")

RUN = {
    "command": "deploy",
    "revision": "v1",
    "operator": "root@desk",
    "controller": "desk",
    "time": "2026-11-28T13:15:02Z",
    "services": [],
    "files": [],
    "steps": [],
}


class RecordedMachine:
    """A machine's disk: nginx's generations, sites, keepalived's files."""

    def __init__(self, root: Path) -> None:
        self.state, self.builds = root / "state", root / "builds"
        self.page, self.staged = root / "page.html", self.state / "keepalived/keepalived.conf"
        self.syslog: list[str] = []
        for directory in (self.staged.parent, self.state / "nginx", self.builds):
            directory.mkdir(parents=True)

    def put(self, name: str, build: str = "1.26.3-old") -> None:
        """Everything as a deploy called `name` would leave it."""
        nginx = self.state / "nginx" / "generations" / f"{build}.{name}"
        (nginx / "etc" / "conf.d").mkdir(parents=True, exist_ok=True)
        (nginx / "etc" / "conf.d" / "a.conf").write_text(name)
        (nginx / "etc" / "nginx.conf").write_text("same")
        (nginx / "about").write_text(f"build={build}\n")
        (self.builds / build).mkdir(exist_ok=True)
        (self.builds / build / "nginx").touch()
        link(self.state / "nginx" / "staged", f"generations/{build}.{name}")
        self.serve("docs", f"{name}.100")
        self.page.write_text(name)
        self.page.chmod(0o644)
        self.staged.write_text(f"password {name}")
        self.staged.chmod(0o640)

    def serve(self, site: str, version: str) -> None:
        place = self.state / "sites" / site
        (place / version).mkdir(parents=True, exist_ok=True)
        (place / version / "index.html").touch()
        seen = subprocess.run(
            ["sh", "-c", sites.SEEN],
            env={**os.environ, "version": str(place / version)},
            capture_output=True,
            text=True,
            check=True,
        )
        (place / f"{version}.whole").write_text(seen.stdout)
        link(place / "current", version)

    def deploy(self, name: str, id_: str, **changed: Any) -> None:
        paths = [str(self.page), *generations.STAGED]
        sites = changed.pop("sites", ["docs", "later"])
        left = {
            "id": id_,
            "paths": paths,
            "sites": sites,
            "about": {"revision": "v1", "vips": ["10.0.0.1"]},
        }
        program.done(json.dumps(RUN | {"run": id_, "generation": left} | changed))

    def listed(self, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        program.list_all()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in Path(deploy_log.LOG).read_text().splitlines()]


def link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordedMachine:
    made = RecordedMachine(tmp_path)
    monkeypatch.setattr(generations, "STATE", str(made.state))
    monkeypatch.setattr(generations, "BUILDS", str(made.builds))
    staged = {"/etc/keepalived/keepalived.conf": str(made.staged)}
    monkeypatch.setattr(generations, "STAGED", staged)
    monkeypatch.setattr(deploy_log, "LOG", str(made.state / "deploys.jsonl"))

    def run(*words: str) -> Any:
        if words[0] == "logger":
            made.syslog.append(words[-1])
        refused = words[0].endswith(("keepalived", "bird")) and "bad" in Path(words[-1]).read_text()
        return programs.load("common.commands").CommandResult(int(refused), "", "line 1: bad")

    monkeypatch.setattr(program, "run", run)
    return made
