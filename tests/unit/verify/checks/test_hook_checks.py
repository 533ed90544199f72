"""KA-24, KA-25: a machine's hooks are those of the repository, root's alone, and go well."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import settings
from settings.programs import hook_files
from tests.support import fakes
from tests.support.snapshots import BOTH, DEFAULT, HEALTHY, Spoiled, bad
from verify.checks.check import Finding, Outcome
from verify.observe.probe import END, whole
from verify.observe.programs import hook_probes
from verify.read.programs import hook_output

MOVE, NOTE = "master.d/10-move", "drain.d/note"
DIGEST = "1" * 64
CHANGED = 1732000000.5
LINES = (
    f"meant {DIGEST} {MOVE}",
    f"meant {DIGEST} {NOTE}",
    f"called {MOVE}",
    f"called {NOTE}",
    "way 755 root:root /etc",
    "way 755 root:root /etc/tandem/hooks",
    "way 755 root:root /etc/tandem/hooks/master.d",
    f"file 755 root:root f {CHANGED} {MOVE}",
    f"file 755 root:root f {CHANGED} {NOTE}",
    f"sum {DIGEST} {MOVE}",
    f"sum {DIGEST} {NOTE}",
)
RAN = "172.16.12.254 on host1: hook"


def with_hooks(
    lines: tuple[str, ...] = LINES, runs: tuple[str, ...] = (), sample: dict[str, Any] = DEFAULT
) -> Spoiled:
    """A pair with two hooks; what is there, and how they have ended, on host1."""
    spoiled = Spoiled(sample)
    for host in BOTH:
        said = lines if host == "host1" else LINES
        spoiled.answer(host, "hooks", "\n".join([*said, f"{len(said)} lines"]))
        spoiled.answer(host, "hook_runs", "journal 1732000000.0")
    if runs:
        first = runs[0].split()[0]
        spoiled.answer("host1", "hook_runs", "\n".join([f"journal {first}", *runs]))
    return spoiled


def of_host1(spoiled: Spoiled, id: str) -> Finding:
    (found,) = (each for each in spoiled.judge(only=id).findings if each.host == "host1")
    return found


def without(*left_out: str) -> tuple[str, ...]:
    return tuple(line for line in LINES if line not in left_out)


@pytest.mark.parametrize("sample", [DEFAULT, HEALTHY])
def test_hooks_as_they_are_meant_are_no_matter_for_any_check(sample: dict[str, Any]) -> None:
    spoiled = with_hooks(sample=sample)
    assert not bad(spoiled.judge())
    assert of_host1(spoiled, "KA-24").answer.actual == "2 hooks"
    assert "0 of 2 hooks have run" in of_host1(spoiled, "KA-25").answer.actual


def test_where_nobody_has_hooks_all_is_well() -> None:
    for id in ("KA-24", "KA-25"):
        found = of_host1(Spoiled(DEFAULT), id)
        assert found.outcome is Outcome.OK and found.answer.actual.startswith("no hooks")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (without(f"file 755 root:root f {CHANGED} {MOVE}", LINES[-2]), f"{MOVE} is missing"),
        ((*LINES[:-1], f"sum {'2' * 64} {NOTE}"), f"{NOTE} differs"),
        ((*LINES, f"file 777 root:root f 1 {MOVE}", LINES[-2]), f"{MOVE} is 0777 root:root"),
        ((*LINES, f"file 755 app:app f 1 {MOVE}", LINES[-2]), f"{MOVE} is 0755 app:app"),
        ((*LINES, f"file 644 root:root f 1 {MOVE}", LINES[-2]), f"{MOVE} is 0644 root:root"),
        ((*LINES, f"file 777 root:root l 1 {MOVE}"), f"{MOVE} is no file"),
        (without(f"called {NOTE}"), f"{NOTE} is not called by notify.sh"),
        (without(LINES[0]), f"{MOVE} is left over"),
        ((*LINES, "file 755 root:root f 1 master.d/.10-move.abcdefgh.new"), "abcdefgh.new is left"),
        ((*LINES, "called master.d/old"), "notify.sh calls master.d/old"),
        ((*LINES, "way 777 root:root /etc/tandem"), "/etc/tandem is 0777 root:root"),
        ((*LINES, "way 755 app:app /etc/tandem"), "/etc/tandem is 0755 app:app"),
    ],
)
def test_whatever_is_not_as_it_is_meant_is_found(lines: tuple[str, ...], said: str) -> None:
    spoiled = with_hooks(lines)
    found = of_host1(spoiled, "KA-24")
    assert found.outcome is Outcome.FAIL and said in found.answer.actual
    assert ";" not in found.answer.actual
    assert bad(spoiled.judge()) == {"KA-24"}


def test_hooks_of_another_checkout_are_found_where_this_one_has_none() -> None:
    found = of_host1(with_hooks(LINES[2:]), "KA-24")
    assert found.answer.actual == f"{MOVE} is left over; {NOTE} is left over"


def test_what_the_controller_cannot_read_is_not_judged() -> None:
    found = of_host1(with_hooks(("unread files/hoks", *LINES)), "KA-24")
    assert found.outcome is Outcome.UNKNOWN and "files/hoks" in found.answer.actual


def run(at: float, how: str, name: str = MOVE, vip: str = "172.16.12.254") -> str:
    return f"{at:.6f} host1 keepalived-notify[812]: {vip} on host1: hook {name}: {how}"


@pytest.mark.parametrize(
    "how",
    [
        "exit 22 after 0.08 s",
        "exit 127 after 0.00 s",
        "killed after 10 s",
        "ended by signal 9 after 0.10 s",
    ],
)
def test_a_last_run_that_went_wrong_is_warned_of(how: str) -> None:
    spoiled = with_hooks(runs=(run(CHANGED + 5, "exit 0 after 0.10 s"), run(CHANGED + 9.5, how)))
    found = of_host1(spoiled, "KA-25")
    assert found.outcome is Outcome.WARN
    assert found.answer.actual == f"{MOVE}: {how} (2024-11-19 07:06:50 UTC)"
    assert found.command.startswith("journalctl -t keepalived-notify | grep hook")
    assert not bad(spoiled.judge())


@pytest.mark.parametrize(
    "runs",
    [
        # It went well since.
        (run(CHANGED + 5, "exit 1 after 0.10 s"), run(CHANGED + 9, "exit 0 after 0.10 s")),
        # It was another program then.
        (run(CHANGED - 5, "exit 1 after 0.10 s"),),
        # It was not run: the state had changed.
        (run(CHANGED + 5, "exit 0 after 0.10 s"), run(CHANGED + 9, "not run for master")),
        # It is no hook any more.
        (run(CHANGED + 5, "exit 1 after 0.10 s", name="master.d/old"),),
    ],
)
def test_what_went_wrong_before_is_no_matter(runs: tuple[str, ...]) -> None:
    assert of_host1(with_hooks(runs=runs), "KA-25").outcome is Outcome.OK


def test_where_no_log_has_anything_of_notify_s_nothing_is_judged() -> None:
    for text in ("none", "journal "):
        found = of_host1(with_hooks().answer("host1", "hook_runs", text), "KA-25")
        assert found.outcome is Outcome.SKIP


def test_each_vips_last_run_counts() -> None:
    runs = (
        run(CHANGED + 5, "exit 1 after 0.10 s", vip="fd61:1::254"),
        run(CHANGED + 9, "exit 0 after 0.10 s"),
    )
    assert of_host1(with_hooks(runs=runs), "KA-25").outcome is Outcome.WARN


def test_the_file_of_syslog_is_read_in_both_forms() -> None:
    for stamp in ("Nov 19 07:06:50", "2024-11-19T07:06:50.1+00:00"):
        line = f"{stamp} host1 keepalived-notify: {RAN} {MOVE}: exit 3 after 0.10 s"
        found = hook_output.hook_runs(f"syslog /var/log/syslog +0000 2024\n{line}")
        (end,) = found.ends
        assert round(end.at) == 1732000010 and (end.name, end.how) == (MOVE, "exit 3 after 0.10 s")


@pytest.mark.parametrize(
    "text", ["", "journal x", "nonsense", "journal 1.0\n1.0 host1 cron[1]: x", "none\nmore"]
)
def test_an_answer_of_another_kind_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        hook_output.hook_runs(text)


# --- the machine's side --------------------------------------------------------------------------


def asked(directory: Path, root: Path) -> hook_output.Hooks:
    """What the question finds, with `root` for the machine's /etc."""
    (cluster,) = settings.load(fakes.inventory(hooks=str(directory)))
    (probe,) = hook_probes.from_files(cluster.nodes[0])
    command = probe.command.replace("/etc/", f"{root}/").replace("%n' /etc ", f"%n' {root} ")
    assert "/etc/" not in command.replace(f"{root}/", "")
    said = subprocess.check_output(["sh", "-c", command], text=True)
    assert said.endswith(END)
    return hook_output.hooks(whole(said))


def test_the_question_finds_what_is_there(tmp_path: Path) -> None:
    ours, root = tmp_path / "hooks", tmp_path / "etc"
    for name in (MOVE, NOTE):
        (ours / name).parent.mkdir(parents=True)
        (ours / name).write_text(f"#!/bin/sh\n# {name}\n")
        (ours / name).chmod(0o755)
    root.mkdir()
    nothing = asked(ours, root)
    digests = {
        name: hashlib.sha256((ours / name).read_bytes()).hexdigest() for name in (NOTE, MOVE)
    }
    assert nothing == hook_output.Hooks(meant=digests)
    shutil.copytree(ours, root / "tandem" / "hooks")
    (root / "keepalived").mkdir()
    hooks = [hook_files.Hook(name, b"") for name in (NOTE, MOVE)]
    (root / "keepalived" / "notify.sh").write_text(
        "".join(f"    --hook '{hook.name}' \\\n" for hook in hooks)
    )
    (root / "tandem" / "hooks" / "fault.d").mkdir()
    (root / "tandem" / "hooks" / "fault.d" / "link").symlink_to("nowhere")
    found = asked(ours, root)
    assert found.called == (NOTE, MOVE)
    assert {name: placed.digest for name, placed in found.files.items()} == digests | {
        "fault.d/link": ""
    }
    assert found.files[MOVE].mode == 0o755 and found.files["fault.d/link"].kind == "l"
    assert abs(found.files[MOVE].changed - time.time()) < 600
    assert [Path(each.path).name for each in found.directories[:3]] == ["etc", "tandem", "hooks"]
    assert len(found.directories) == 6


def test_what_a_hook_has_said_stays_on_the_machine(tmp_path: Path) -> None:
    """It may hold a token."""
    (probe,) = hook_probes.logged()
    journal = tmp_path / "journalctl"
    journal.write_text(
        f"#!/bin/sh\necho '1.0 host1 keepalived-notify[1]: {RAN} {MOVE}: exit 22 after 0.08 s: "
        "curl: t0ken'\n"
        "echo '2.0 host1 keepalived-notify[1]: fd61:1::254 on host1: backup -> master'\n"
    )
    journal.chmod(0o755)
    command = probe.command.replace("/etc/tandem/hooks", str(tmp_path))
    command = command.replace("/run/systemd/system", str(tmp_path))
    said = subprocess.check_output(
        ["sh", "-c", command], text=True, env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert "t0ken" not in said
    found = hook_output.hook_runs(whole(said))
    assert found.ends == (hook_output.HookEnd(1.0, "172.16.12.254", MOVE, "exit 22 after 0.08 s"),)
