"""Runs of drill.py in the lab, and what has to hold of their reports on a busy machine, too.

Seconds are for drill.py on a quiet machine: here they are printed beside their budget, and what is
asserted are counts, states, and that all came back.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from drills.analysis.long_lived_counts import count_long_lived
from drills.results import DrillResult, Report, from_json
from lab.twin import Lab
from tests.support.lab import own_lab
from tests.support.lab.controllers import impatient
from tests.support.lab.deployment import PYINFRA, ROOT, Done, pyinfra, verify
from tests.support.lab.pair import HOSTS

# What a drill says that had not the CPUs to measure; more than one of a report is no accident.
TOO_BUSY, UNMEASURED = "the prober itself was late", 2
PASSED_ON = ("switchover", "1 to 2 holders where it has to be exactly one")
# Handing it on, both nodes have it for a moment, which is longer where CPUs are short.
PASSING_MAX_S = 1.0
# An nginx worker that ends closes idle connections, also those into which a request has come that
# it had no time to read: the client is reset (nginx 1.27.4 has keepalive_min_timeout against that).
# It needs a busy machine; drill.py on a quiet one allows none.
WORKERS_END = ("reload", "changed-setting", "upgrade", "rollback", "rolling-deploy")
ONLY_RESET_WHILE_IDLE = re.compile(
    r"\d+ keep-alive requests failed, and 0 are allowed: "
    r"(?:keep-alive \([^)]*\): reset at [\d.]+ s, its request \d+(?:; |$))+(?:and \d+ more)?$"
)


def assert_sound(directory: Path, names: list[tuple[str, str]]) -> None:
    """The report in `directory` is of these (cluster, drill), and each of them is sound."""
    report: Report = from_json((directory / "drills.json").read_bytes())
    assert [(found.cluster, found.name) for found in report.drills] == names
    unmeasured = [found.name for found in report.drills if not found.counted]
    assert len(unmeasured) < UNMEASURED, unmeasured
    for found in report.drills:
        assert_drill_sound(found)


def assert_drill_sound(found: DrillResult) -> None:
    """All is back, and in no repeat that counts was anything that must not be."""
    shown = f"{found.cluster}: {found.sentence} (budget {found.budget}): {found.reasons}"
    print(shown)
    assert found.after is not None and found.after.passed, shown
    if not found.counted:
        assert found.repeats and all(TOO_BUSY in repeat.void for repeat in found.repeats), shown
    for repeat in found.counted:
        assert repeat.evidence is not None and repeat.evidence.bit, shown
        print(f"    {repeat.evidence.text}")
        both_s = [
            after.at_s - before.at_s
            for before, after in pairwise(repeat.holders)
            if found.name == PASSED_ON[0] and len(before.holders) > 1
        ]
        assert max(both_s, default=0) < PASSING_MAX_S, (shown, both_s)
        wrong = [
            text
            for text in repeat.problems
            if (found.name, text) != PASSED_ON
            and not (found.name in WORKERS_END and ONLY_RESET_WHILE_IDLE.match(text))
        ]
        assert not wrong, (shown, wrong)
        # Of a routed cluster's node that is gone they are; what else is cut is among its problems.
        assert repeat.announced or count_long_lived(repeat.long_lived).cut == 0, shown
        assert found.name != "rogue" or repeat.moves == 0, shown


# drill.py that waits less long for what does not come: until all is as at the start, and for the
# verifier to agree.
IMPATIENT = impatient.command(
    "drills.control.waiting.STEADY_TIMEOUT_S=15",
    "drills.conduct.runner.STEADY_TIMEOUT_S=15",
    "drills.conduct.audit.WAIT_S=2",
)
# What a machine is asked to see that nothing of a drill is left on it.
LEFT = (
    "ls /run/tandem-drill 2>/dev/null; pgrep -f '[m]onitor address'; "
    "nft list tables 2>/dev/null | grep drill"
)


def data_words(*items: str) -> list[str]:
    """Each NAME=VALUE behind its own --data."""
    return [word for item in items for word in ("--data", item)]


def drilled(lab: Lab, inventory: str, directory: Path, *data: str) -> dict[str, DrillResult]:
    """Drills of a lab in a copy of the checkout, once each: what is reported, by their names."""
    words = data_words(*data, "repeats=1", "timing=show", f"report={directory}")
    done = own_lab.pyinfra(lab, inventory, "drill.py", *words, timeout=1500)
    assert "Traceback" not in done.stdout, done.stdout
    report = from_json((directory / "drills.json").read_bytes())
    return {result.name: result for result in report.drills}


def drill(lab: Lab, *data: str) -> Done:
    return pyinfra(lab, "inventory.py", "drill.py", *data_words(*data, "timing=show"))


def assert_nothing_is_left(lab: Lab) -> None:
    done = verify(lab, "--data", "wait=60")
    assert done.returncode == 0, done.stdout
    for host in HOSTS:
        assert lab.ssh(host, LEFT).stdout == ""
    assert notes(lab) == []


def notes(lab: Lab) -> list[Path]:
    """What runs have noted and not undone, for the next one."""
    return list((lab.state.home / ".local/state/tandem/drills").glob("*"))


@contextmanager
def running(
    lab: Lab,
    name: str,
    log: Path,
    *data: str,
    repeats: int = 9,
    program: Sequence[str] = (PYINFRA,),
) -> Iterator[subprocess.Popen[bytes]]:
    command = [*program, "inventory.py", "drill.py"]
    command += data_words(f"drills={name}", f"repeats={repeats}", *data)
    with log.open("wb") as out:
        process = subprocess.Popen(
            lab.run_command(command),
            cwd=ROOT,
            env=lab.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def until(what: str, true: object, seconds: float = 40) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def plugged(lab: Lab) -> bool:
    return not any(status.unplugged for status in lab.status())


def assert_puts_back_when_ended_by(number: signal.Signals, lab: Lab, log: Path) -> None:
    """A drill that a signal ends while a cable is out has everything as it was, and exits 130."""
    with running(lab, "link-cut", log) as process:
        until("the cable is never pulled", lambda: not plugged(lab))
        os.kill(process.pid, number)
        assert process.wait(30) == 130, log.read_text()
    assert plugged(lab)
    assert "Interrupted: putting back what is broken." in log.read_text()
    assert "Traceback" not in log.read_text()
    assert_nothing_is_left(lab)
