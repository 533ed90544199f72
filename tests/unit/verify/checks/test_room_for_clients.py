"""Whether nginx had room for its clients, and time (NGX-24): what its log says, and the watch."""

from __future__ import annotations

import re
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.snapshots import DEFAULT, HEALTHY, Spoiled, bad
from verify.checks.check import Outcome
from verify.observe import keepalived_probes
from verify.observe.probe import whole
from verify.read.keepalived_output import overloads

REFUSED = "2026/11/29 07:1{}:00 [alert] 12#12: 64 worker_connections are not enough{}\n"
REUSED = (
    "2026/11/29 07:20:51 [warn] 12#12: 64 worker_connections are not enough, reusing connections\n"
)


def overloaded(old: str, new: str, uptime_s: float = 81234.56) -> Spoiled:
    """The watch of host1 has written down what is overloaded; the machine runs for so long."""
    text = f"uptime {uptime_s}\nfull 0 - -\nbusy 0 - -\nrefused never"
    return Spoiled(DEFAULT).answer("host1", "nginx_overload", text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told_of"),
    [
        ("full 0 - -", "full 1 81200.0 -", "full now, since 35 s"),
        ("full 0 - -", "full 3 80000.0 80600.0", "full for 600.0 s, 11 minutes ago, 3 times"),
        ("busy 0 - -", "busy 1 80000.5 80002.0", "busy for 1.5 s, 21 minutes ago"),
    ],
)
def test_an_nginx_that_was_full_or_busy_is_a_warning(old: str, new: str, told_of: str) -> None:
    verdict = overloaded(old, new).judge()
    (finding,) = [one for one in verdict.findings if (one.id, one.host) == ("NGX-24", "host1")]
    assert (finding.outcome, bad(verdict)) == (Outcome.WARN, set())
    assert finding.answer.actual.startswith(told_of)


def test_what_was_full_days_ago_is_over_and_a_watch_that_wrote_nothing_is_not_known() -> None:
    days = overloaded("full 0 - -", "full 1 1.0 2.0", uptime_s=181234.56).judge()
    assert bad(days) == set()
    assert {one.outcome for one in days.findings if one.id == "NGX-24"} == {Outcome.OK}
    nothing = (
        Spoiled(DEFAULT)
        .answer("host1", "nginx_overload", "uptime 5.0\nnone\nrefused never")
        .judge()
    )
    assert bad(nothing) == {"NGX-24"}


@pytest.mark.parametrize("pair", [HEALTHY, DEFAULT])
def test_connections_that_nginx_refused_are_a_warning_for_a_day(pair: dict[str, Any]) -> None:
    """In the classic profile nobody else tells; in the other it may be too short for the watch."""
    for ago, told_of in (("3600", True), ("86400", False)):
        spoiled = Spoiled(pair).replace(
            "host1", "nginx_overload", "refused never", f"refused {ago}"
        )
        counted = re.sub(
            r"\n \d+ \d+ ", "\n 1007 1000 ", spoiled.section("host1", "nginx_status")["text"]
        )
        verdict = spoiled.answer("host1", "nginx_status", counted).judge()
        assert not bad(verdict), "an operator can do nothing about what was"
        warned = [one for one in verdict.findings if one.outcome is Outcome.WARN]
        actual = [one.answer.actual for one in warned if (one.id, one.host) == ("NGX-24", "host1")]
        assert bool(actual) == told_of
        assert all("60 minutes ago: 7 of 1007 since nginx" in each for each in actual)


def test_an_nginx_that_is_full_and_cannot_be_asked_is_told_of_all_the_same() -> None:
    full = overloaded("full 0 - -", "full 1 81200.0 -")
    verdict = full.answer("host1", "nginx_status", "", 52).judge()  # curl: an empty reply
    (finding,) = [one for one in verdict.findings if (one.id, one.host) == ("NGX-24", "host1")]
    assert (finding.outcome, finding.answer.actual) == (Outcome.WARN, "full now, since 35 s")


@pytest.mark.parametrize(
    ("now", "before", "at"),
    [
        ("", "", None),
        (REUSED, "", None),  # it had room: it closed some that nobody used
        (REFUSED.format(1, "") + REFUSED.format(3, "") + REUSED, "", "07:13:00"),
        (REFUSED.format(4, " while connecting to upstream, client: ::1"), "", "07:14:00"),
        ("", REFUSED.format(2, ""), "07:12:00"),  # the logs have just been rotated
    ],
)
def test_the_last_connection_that_nginx_refused_is_found_in_its_log(
    now: str, before: str, at: str | None, tmp_path: Path
) -> None:
    (tmp_path / "error.log").write_text(now)
    (tmp_path / "error.log.1").write_text(before)
    (probe,) = [it for it in keepalived_probes.of_watch() if it.name == "nginx_overload"]
    command = probe.command.replace("/var/log/nginx", str(tmp_path))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    found = overloads(whole(done.stdout)).refused_ago_s
    if at is None:
        assert found is None
    else:
        moment_s = datetime.fromisoformat(f"2026-11-29 {at}").timestamp()
        assert found is not None and abs(time.time() - moment_s - found) < 30
