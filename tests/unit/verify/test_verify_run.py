"""One run from its options to its exit code: what asks no machine through pyinfra's own command
line, and waiting, with snapshots that are handed in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from report import live_line
from settings.run_options import RunOptions
from tests.support.fakes import ROOT
from tests.support.snapshots import HEALTHY, SAMPLES, Spoiled
from verify import judge, verify_run
from verify.snapshot import Snapshot


def pyinfra(*data: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pyinfra")
    options = [word for option in data for word in ("--data", option)]
    return subprocess.run(
        [program, "inventory.py", "verify.py", *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key != "TANDEM_LAB"},
    )


def test_list_needs_no_machine() -> None:
    done = pyinfra("list=1")
    assert done.returncode == 0
    assert all(check.id in done.stdout for check in judge.every_check())


def test_explain_shows_the_command_with_the_inventorys_values() -> None:
    done = pyinfra("explain=X-18")
    assert done.returncode == 0
    assert "nobody else speaks VRRP with our VRID" in done.stdout
    assert (
        "perl - eth0 172.16.12.61 172.16.12.254 0.35 <verify/observe/listeners/vrrp_listener.pl"
        in done.stdout
    )


@pytest.mark.parametrize("option", ["only=NGX-99", "skip=ZZZ", "explain=X-99", "replay=/no/such"])
def test_what_does_not_exist_is_refused(option: str) -> None:
    done = pyinfra(option)
    assert done.returncode == 1
    assert "Refused" in done.stderr and option.split("=")[0] in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_a_replay_needs_no_machine_and_has_the_verdicts_exit_code(tmp_path: Path) -> None:
    replay = f"replay={SAMPLES / 'healthy.json'}"
    good = pyinfra(replay, f"report={tmp_path / 'again'}", "skip=NGX-19")
    assert good.returncode == 0
    assert good.stdout.rstrip().endswith("It holds: nothing to do.")
    assert json.loads((tmp_path / "again" / "report.json").read_text())["passed"] is True

    bad = pyinfra(f"replay={SAMPLES / 'bare.json'}", "only=NGX-10")
    assert bad.returncode == 1
    assert "FAIL NGX-10 host1" in bad.stdout

    nothing = pyinfra(replay, "only=TLS")
    assert nothing.returncode == 3
    assert "It is not known whether it holds: nothing was judged (TLS is off" in nothing.stdout


def test_a_report_that_cannot_be_written_is_said_and_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    replay = f"replay={SAMPLES / 'healthy.json'}"
    done = pyinfra(replay, f"report={tmp_path / 'file' / 'below'}", "only=NGX-10")
    assert done.returncode == 1
    assert "The report could not be written" in done.stderr
    assert "Traceback" not in done.stderr and "It holds" in done.stdout


# --- waiting ---

BROKEN = Spoiled().replace("host1", "units", "UnitFileState=enabled", "UnitFileState=disabled")


class Snapshots:
    """Stands in for the machines: one snapshot after the other, the last one for ever."""

    def __init__(self, *snapshots: Snapshot):
        self.left = list(snapshots)
        self.taken = 0

    def __call__(self, state: object, *, reconnect: bool = False) -> Snapshot:
        self.taken += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.fixture
def healthy() -> Snapshot:
    return Snapshot.model_validate(HEALTHY)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(verify_run, "SETTLE_S", 0)
    monkeypatch.setattr(verify_run, "WAIT_STEP_S", 0.01)
    yield


def _judged(
    snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch, **options: object
) -> judge.VerifierVerdict:
    monkeypatch.setattr(verify_run, "take_snapshot", snapshots)
    first = snapshots(None).model_copy(update={"seconds": 0.0})
    checks = judge.every_check()
    return verify_run._judged(None, RunOptions.model_validate(options), first, checks)  # type: ignore[arg-type]


def test_one_snapshot_is_enough_when_all_holds(
    healthy: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = Snapshots(healthy)
    assert _judged(snapshots, monkeypatch, wait=5).passed
    assert snapshots.taken == 1


def test_what_may_settle_is_read_again_before_it_fails(
    healthy: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = Snapshots(BROKEN.snapshot, healthy)
    assert _judged(snapshots, monkeypatch).passed
    assert snapshots.taken == 2


def test_what_cannot_settle_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Spoiled().answer("host1", "failed_units", "cron.service loaded failed failed Cron")
    snapshots = Snapshots(wrong.snapshot)
    assert not _judged(snapshots, monkeypatch).passed
    assert snapshots.taken == 1


def test_waiting_asks_again_until_all_holds(
    healthy: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots = Snapshots(BROKEN.snapshot, BROKEN.snapshot, BROKEN.snapshot, healthy)
    assert _judged(snapshots, monkeypatch, wait=60).passed
    assert snapshots.taken == 4


def test_waiting_ends_with_the_last_snapshot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshots = Snapshots(BROKEN.snapshot)
    assert not _judged(snapshots, monkeypatch, wait=2).passed
    assert snapshots.taken > 1
    said = capsys.readouterr()
    # Once, however often is asked: no terminal is there.
    assert said.err.splitlines() == ["Not all holds yet; asking again, for 2 s at most"]
    assert not said.out


def test_who_waits_sees_what_does_not_hold_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []
    monkeypatch.setattr(live_line, "part", parts.append)
    verdict = _judged(Snapshots(BROKEN.snapshot), monkeypatch, wait=2)
    ids = ", ".join(dict.fromkeys(finding.id for finding in verdict.bad))
    told = f"not yet: {ids}; asking again, for "
    assert parts and {part.removeprefix(told) for part in parts} <= {
        "2 s more",
        "1 s more",
        "0 s more",
    }
