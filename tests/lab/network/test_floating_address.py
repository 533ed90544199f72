"""Hooks on a real pair: the stand-in for a cloud's API hears of each move from the new holder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.twin import Lab
from settings.values import ROOT
from tests.support.lab.breaking import on
from tests.support.lab.deployment import Deployed, deploy, pyinfra, verify
from tests.support.lab.pair import HOSTS, VIP, changed_nothing, holders, wait_until

SERVER = """
import http.server, sys
class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        allowed = self.headers["Authorization"] == "Bearer t0ken"
        print(body if allowed else "refused", flush=True)
        self.send_response(200 if allowed else 401)
        self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("172.16.0.1", 8085), Api).serve_forever()
"""
EXAMPLE = ROOT / "files/hooks/master.d/floating-address.example"


class Api:
    """The stand-in, in the lab's network."""

    def __init__(self, said: Path) -> None:
        self.said = said

    def servers(self) -> list[str]:
        """To which machine the address was assigned, one after the other."""
        lines = self.said.read_text().splitlines()
        return [line if line == "refused" else json.loads(line)["server"] for line in lines]

    def hears(self, *servers: str) -> bool:
        return wait_until(lambda: self.servers()[-len(servers) :] == [*servers], 15)


@pytest.fixture
def api(lab: Lab, tmp_path: Path) -> Iterator[Api]:
    said = tmp_path / "said"
    with said.open("w") as file:
        command = lab.run_command([sys.executable, "-c", SERVER])
        server = subprocess.Popen(command, env=lab.environment(), stdout=file)
    yield Api(said)
    server.kill()
    server.wait()


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    directory = tmp_path / "hooks"
    text = EXAMPLE.read_text().replace("https://api.example.net/", "http://172.16.0.1:8085/")
    for name, program in {
        "master.d/10-floating-address": text,
        "master.d/20-walls": '#!/bin/sh\necho "$(id -u) $(ls /root | wc -l)" >&2\nexit 7\n',
        "drain.d/10-note": '#!/bin/sh\nlogger -t tandem-test "drain $TANDEM_OLD_STATE"\n',
    }.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(program)
        (directory / name).chmod(0o755)
    return directory


def told(lab: Lab) -> str:
    """What both have logged of their changes, where it is not what was expected."""
    return "\n".join(on(lab, host, "journalctl -t keepalived-notify -n 20") for host in HOSTS)


def test_the_api_hears_of_a_failover_and_of_the_way_back(
    lab: Lab, deployed: Deployed, api: Api, hooks: Path
) -> None:
    for host in HOSTS:
        on(lab, host, "echo t0ken | install -m 600 /dev/stdin /etc/floating-address.token")
    assert wait_until(lambda: holders(lab) == ["host1"], 15)
    done = deploy(lab, "--data", f"hooks={hooks}")
    assert done.returncode == 0, done.stdout
    try:
        on(lab, "host1", "systemctl stop nginx")
        assert api.hears("host2"), told(lab)
        assert holders(lab) == ["host2"]
        log = on(lab, "host2", "sleep 1; journalctl -t keepalived-notify -o cat -n 20")
        assert f"{VIP} on host2: hook master.d/10-floating-address: exit 0 after" in log
        assert "hook master.d/20-walls: exit 7 after" in log and "s: 0 0" in log
        on(lab, "host1", "systemctl start nginx")
        assert api.hears("host2", "host1"), told(lab)
        moved = pyinfra(lab, "-y", "inventory.py", "switchover.py", "--data", "drain=host1")
        assert moved.returncode == 0, moved.stdout
        assert "drain master" in on(lab, "host1", "sleep 1; journalctl -t tandem-test -o cat")
        assert api.hears("host1", "host2"), told(lab)
        back = pyinfra(lab, "-y", "inventory.py", "switchover.py", "--data", "undrain=host1")
        assert back.returncode == 0, back.stdout
        assert api.hears("host2", "host1"), told(lab)
        again = deploy(lab, "--data", f"hooks={hooks}")
        assert changed_nothing(again.stdout), again.stdout
    finally:
        on(lab, "host1", "systemctl start nginx; rm -f /etc/keepalived/down")
        gone = deploy(lab)
        assert gone.returncode == 0, gone.stdout
    for host in HOSTS:
        assert (
            on(lab, host, "find /etc/tandem/hooks ! -type d; rm /etc/floating-address.token") == ""
        )
    settled = verify(lab, "--data", "wait=20")
    assert settled.returncode == 0, settled.stdout
