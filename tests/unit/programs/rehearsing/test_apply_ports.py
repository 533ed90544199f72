"""A port that another program has is told in the test, which nginx's own passes over."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import programs
from tests.support.nginx_processes import failed
from tests.unit.programs.conftest import Disk

program = programs.load("apply_nginx.taken_ports")
rehearsal = programs.load("apply_nginx.rehearsal")
walls = programs.load("apply_nginx.walls")
CommandResult = programs.load("common.commands").CommandResult
FILE = "/etc/nginx/conf.d/a.conf"


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which this process listens, as another one of the machine's may."""
    with socket.socket(request.param) as listening:
        listening.bind(("127.0.0.1" if request.param == socket.AF_INET else "::1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def faults(text: str) -> list[str]:
    found: list[str] = program.faults([(FILE, text)])
    return found


def test_who_has_the_port_is_named(taken: int) -> None:
    text = f"server {{\n  listen {taken} default_server;\n  listen [::]:{taken};\n}}"
    (line,) = faults(text)
    assert f"(pid {os.getpid()}) has port {taken}" in line
    assert line.startswith((f"{FILE}:2: listen {taken}: ", f"{FILE}:3: listen [::]:{taken}: "))


def test_nginx_may_have_it_already(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "stat", lambda pid: SimpleNamespace(name="nginx"))
    assert faults(f"server {{ listen {taken}; listen [::1]:{taken}; }}") == []


def test_only_the_same_address_is_in_the_way(taken: int) -> None:
    others = f"listen 127.0.0.2:{taken}; listen unix:/run/x; listen a:{taken};"
    assert faults(f"server {{ {others} }}") == []


def test_who_has_a_port_of_udp_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        port = heard.getsockname()[1]
        (line,) = faults(f"stream {{ server {{ listen {port} udp reuseport; }} }}")
        assert f"(pid {os.getpid()}) has port {port}" in line
        assert faults(f"stream {{ server {{ listen {port}; }} }}") == [], "of TCP it is another"
        assert faults(f"http {{ server {{ listen {port} quic; }} }}"), "QUIC is UDP"


def test_it_fails_before_anything_is_staged(
    taken: int, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"# configuration file {FILE}:\nserver {{ listen {taken}; listen [::]:{taken}; }}\n"
    answers = [CommandResult(0, text, ""), CommandResult(0, "end", "")]

    def run(*words: Any, timeout_s: float | None = None) -> Any:
        return answers.pop(0)

    monkeypatch.setattr(walls, "run", run)
    with pytest.raises(failed(), match=f"has port {taken}: end that, or give another"):
        rehearsal.check_configuration(disk.generation("one"))
