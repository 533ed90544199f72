"""Files and servers that snippets name: found on each machine, and compared between them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.broken_upkeep import outcome_of
from tests.support.snapshots import BOTH, EVERYTHING, Spoiled
from verify.checks.check import Outcome
from verify.read import http_output, nginx_output

USERS = "auth_basic_user_file /srv/users conf.d/a.conf"
ROOT = "root /srv/www conf.d/a.conf"


def files(host1: str, host2: str) -> tuple[Outcome, str]:
    spoiled = Spoiled()
    for host, lines in zip(BOTH, (host1, host2), strict=True):
        count = len(lines.splitlines())
        spoiled.answer(host, "named_files", f"{lines}\n{count} named".lstrip())
    return outcome_of(spoiled, "X-24")


@pytest.mark.parametrize(
    ("host1", "host2", "outcome", "said"),
    [
        ("", "", Outcome.OK, "no file is named"),
        (f"file aa {USERS}", f"file aa {USERS}", Outcome.OK, "1 files"),
        (f"directory - {ROOT}", f"directory - {ROOT}", Outcome.OK, "1 files"),
        (
            f"file aa {USERS}",
            f"missing - {USERS}",
            Outcome.FAIL,
            "/srv/users (auth_basic_user_file in conf.d/a.conf) is missing on host2",
        ),
        (f"missing - {USERS}", f"missing - {USERS}", Outcome.FAIL, "missing on host1, host2"),
        (f"file aa {USERS}", f"file ab {USERS}", Outcome.WARN, "differs: host1 against host2"),
        (f"directory - {ROOT}", f"file aa {ROOT}", Outcome.WARN, "differs: host1 against host2"),
        (f"directory - {ROOT}", f"missing - {ROOT}", Outcome.FAIL, "is missing on host2"),
        # nginx does without it until it is there.
        (f"missing - {ROOT}", f"missing - {ROOT}", Outcome.WARN, "is on no machine"),
    ],
)
def test_what_is_missing_fails_and_what_differs_warns(
    host1: str, host2: str, outcome: Outcome, said: str
) -> None:
    found, actual = files(host1, host2)
    assert found is outcome and said in actual


def servers(lines: str, **node: Any) -> tuple[Outcome, str]:
    spoiled = Spoiled()
    spoiled.data["clusters"][0]["nodes"][0].update(node)
    spoiled.answer("host1", "upstreams", lines)
    return outcome_of(spoiled, "NGX-23", "host1")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("http 0 0.001 10.0.0.11:80 app", ""),
        ("http 7 0.000 10.0.0.11:80 app", "refuses the connection"),
        ("http 28 0.000 10.0.0.11:80 app", "does not accept a connection"),
        ("http 28 0.001 10.0.0.11:80 app", "accepts, and does not answer"),
        ("http 6 0.000 app.example:80 conf.d/a.conf", "its name is not known"),
        ("http 52 0.001 10.0.0.11:80 app", "gives an empty answer"),
        ("http 1 0.001 10.0.0.11:80 app", "does not answer as HTTP (curl exits 1)"),
        # Not HTTP, and it listens.
        ("tcp 52 0.001 10.0.0.11:9000 conf.d/a.conf", ""),
        ("tcp 7 0.000 10.0.0.11:9000 conf.d/a.conf", "refuses the connection"),
        ("tcp 28 - 10.0.0.11:9000 conf.d/a.conf", "does not accept a connection"),
        ("http 60 0.001 10.0.0.11:8443 app", "shows a certificate that nginx does not believe"),
        ("tls 60 0.000 10.0.0.11:8443 app", "shows a certificate that nginx does not believe"),
        ("tls 56 0.001 10.0.0.11:8443 app", ""),
        ("tcp 52 0.001 unix:/run/app.sock app", ""),
        (
            "http 7 0.000 unix:/run/app.sock app",
            "is not there, or does not let the user nginx write to it",
        ),
    ],
)
def test_a_server_that_does_not_answer_is_warned_of(line: str, problem: str) -> None:
    outcome, actual = servers(f"{line}\n1 servers")
    assert outcome is (Outcome.WARN if problem else Outcome.OK)
    _, _, _, address, whose = line.split()
    assert actual == (f"{address} ({whose}) {problem}" if problem else "1 servers answer")


def test_with_strict_it_fails_and_without_servers_all_is_well() -> None:
    dead = "http 7 0.0 10.0.0.11:80 app\n1 servers"
    assert servers(dead, strict=True)[0] is Outcome.FAIL
    assert servers("0 servers") == (Outcome.OK, "nothing is proxied")


def test_it_can_be_left_out() -> None:
    spoiled = Spoiled(EVERYTHING).replace("host1", "upstreams", "http 0", "http 7")
    assert {"NGX-23"} == {
        finding.id
        for finding in spoiled.judge().findings
        if finding.outcome is Outcome.WARN and "172.16.0.1" in finding.answer.actual
    }
    assert not [one for one in spoiled.judge(skip="NGX-23").findings if one.id == "NGX-23"]


@pytest.mark.parametrize(
    "text", ["", "1 named", "gone - root /a b\n1 named", "file a root b\n1 named"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        nginx_output.named_files(text)
    with pytest.raises((ValueError, IndexError)):
        http_output.servers(text)


# --- what the machines are asked -------------------------------------------------------------
