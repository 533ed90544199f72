"""A port that another program has is refused by the survey, with who has it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

import settings
from settings import Bars
from tasks.machine.others import port_holders
from tasks.machine.survey import mismatches, parse_survey
from tests.support import fakes

APACHE = 'LISTEN 0 511 *:80 *:* users:(("apache2",pid=813,fd=4),("apache2",pid=812,fd=4))'
NGINX = 'LISTEN 0 4096 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6))'


def told(*lines: str, **given: Any) -> list[str]:
    (cluster,) = settings.load(fakes.inventory(**given))
    found = list(mismatches(cluster.nodes[0], parse_survey(fakes.survey(ports=lines))))
    assert all(each.bars is Bars.DEPLOY for each in found)
    return [str(each).partition(": ")[2] for each in found]


def test_who_has_nginxs_port_is_named() -> None:
    remedy = "apache2 (pid 813) listens there: end that, or give another port"
    assert told(APACHE) == [f"http_port = 80: {remedy}"]
    assert told(APACHE, http_port=8080) == []


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        (NGINX, False),
        # Of IPv6 alone; the staged configuration's test knows whether nginx wants that, too.
        (APACHE.replace("*:80", "[::]:80"), False),
        (APACHE.replace("*:80", "127.0.0.1:80"), True),
        ("LISTEN 0 511 0.0.0.0:80 0.0.0.0:*", True),
        ("nonsense", False),
    ],
)
def test_what_keeps_nginx_from_listening_is_refused(line: str, refused: bool) -> None:
    assert bool(told(line)) == refused


def test_a_program_of_another_name_space_has_none() -> None:
    (said,) = told("LISTEN 0 511 0.0.0.0:80 0.0.0.0:*")
    assert "another program listens there" in said


def test_the_question_names_this_process() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        shell = port_holders.shell([("tcp", port), ("tcp", 1)])
        said = subprocess.check_output(["sh", "-c", shell], text=True)
    name = os.path.basename(sys.executable)
    (found,) = port_holders.holders(said)
    assert (found.port, found.pid) == (("tcp", port), os.getpid()) and found.name in (
        name,
        "pytest",
    )
