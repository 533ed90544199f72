"""The exit code and the last line of every command, however it ends: the table of
docs/operations.md, through pyinfra's own command line, on simulated machines."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakes import ROOT
from tests.support.simulated.simulated_cluster import SimulatedCluster
from tests.unit.tasks.records.test_deploy_records import A, B, history

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TANDEM_LAB"}
VERSION = {"nginx_version": "1.26.3"}


class Controller:
    """A simulated pair that was deployed, as a file, and an inventory that names it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.file = directory, directory / "cluster"
        self.inventory = directory / "machines.py"

    def keep(self, cluster: SimulatedCluster) -> None:
        self.file.write_bytes(pickle.dumps(cluster))
        hosts = list(cluster.hosts(VERSION).items())
        data = {"fake_delay": 0, "fake_delay_jitter": 0}
        given = [(name, own | data) for name, own in hosts]
        group = {"vip": "172.16.12.254/16"} | VERSION
        self.inventory.write_text(f"web = ({given!r}, {group!r})\n")

    def start(self, *words: str) -> subprocess.Popen[str]:
        named = [str(self.inventory) if word == "machines.py" else word for word in words]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.simulated.simulated_run", self.file, *named],
            cwd=ROOT,
            env=ENVIRONMENT | {"XDG_CACHE_HOME": str(self.directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCluster:
    controller = Controller(tmp_path_factory.mktemp("first"))
    controller.keep(SimulatedCluster(2, controller.directory / "machines"))
    running = controller.start("-y", "machines.py", "deploy.py")
    said, _ = running.communicate()
    assert running.returncode == 0, said
    cluster: SimulatedCluster = pickle.loads(controller.file.read_bytes())
    return cluster


@pytest.fixture
def controller(deployed: SimulatedCluster, tmp_path: Path) -> Iterator[Controller]:
    found = Controller(tmp_path)
    found.keep(deployed.copy(tmp_path / "machines"))
    yield found


# For each: what is typed after "pyinfra"; the exit code; the last line, which may go on. "<" brings
# what a person types, "!" what the machines answer to some commands (`ANSWERS`).
ENDINGS = {
    "deploy, done": """-y machines.py deploy.py ONE
        0 deploy.py: done: changed 1 file on 2 machines, reloaded nginx on 2,
        moved the VIP 0 times. Next: .*pyinfra .* verify.py""",
    "deploy, confirmed": """machines.py deploy.py ONE < enter
        0 deploy.py: done: changed 1 file""",
    "deploy, nothing to do": """-y machines.py deploy.py
        0 deploy.py: nothing to do on BOTH.""",
    "deploy, refused": """-y machines.py deploy.py --limit host9
        1 Refused: --limit host9 names no machine""",
    "deploy, stopped": """-y machines.py deploy.py ONE ! failed
        1 Stopped: @fake/host2 failed. @fake/host2 in '@fake/host2: nginx runs what is staged'.
        .* run this again.* --exclude @fake/host2.""",
    "deploy, n": """machines.py deploy.py ONE < n
        1 Refused: 'n' was typed, and not enter. No machine was changed.""",
    "deploy, nobody there": """machines.py deploy.py ONE
        1 Refused: Nobody is here to press enter. No machine was changed. -y goes on""",
    "deploy, nobody there, nothing to do": """machines.py deploy.py
        0 deploy.py: nothing to do on BOTH.""",
    "deploy, from another revision": """-y machines.py deploy.py ! recorded
        0 deploy.py: done: nothing has changed but Tandem's own records on BOTH.$""",
    "deploy --dry": """--dry machines.py deploy.py ONE
        0 deploy.py would change 1 file on 2 machines, reload nginx on 2, move the VIP 0 times.
        No machine was changed. To do it, leave out --dry.""",
    "deploy -y --dry": """-y --dry machines.py deploy.py ONE
        0 deploy.py would change 1 file""",
    "deploy --dry, nothing to do": """--dry machines.py deploy.py
        0 deploy.py would change nothing on BOTH.""",
    "switchover, done": """-y machines.py switchover.py TO_2
        0 switchover.py: done: did 1 step on 1 machine, moved the VIP 1 time. Next: """,
    "switchover, refused": """-y machines.py switchover.py
        1 .*: give one of to=HOST, drain=HOST, undrain=HOST""",
    "switchover, n": """machines.py switchover.py TO_2 < n
        1 Refused: 'n' was typed""",
    "switchover --dry": """--dry machines.py switchover.py TO_2
        0 switchover.py would do 1 step on 1 machine, move the VIP 1 time. No machine""",
    "rollback, refused": """-y machines.py rollback.py
        1 Refused: .*there is no earlier generation""",
    "rollback, done": """-y machines.py rollback.py ! held
        0 rollback.py: done: did 1 step on 2 machines""",
    "rollback, a list": """machines.py rollback.py --data list=1 ! held
        0 rollback.py: nothing to do on BOTH.""",
    "teardown, done": """-y machines.py teardown.py --data yes=1
        0 teardown.py: done: removed tandem-watch on 2, removed tandem-handover on 2,""",
    "teardown, refused": """-y machines.py teardown.py
        1 Refused: .*If you mean it: -y --data yes=1. No machine was touched.""",
    "teardown, nobody there": """machines.py teardown.py
        1 Refused: Nobody is here to be asked""",
    "teardown --dry": """--dry machines.py teardown.py
        0 teardown.py would remove tandem-watch on 2, remove tandem-handover on 2, move the VIP""",
    "verify, refused": """machines.py verify.py --data only=NOPE-1
        1 .*NOPE-1""",
    "drill, a list": """machines.py drill.py
        0 .*Everything that is broken is put back.""",
    "drill, refused": """machines.py drill.py --data drills=nope
        1 .*nope""",
}
WORDS = {"ONE": "--data keepalive_timeout_s=33", "TO_2": "--data to=@fake/host2"}
ANSWERS = {
    "held": {"deploy-record list": (True, [history(A, B)])},
    "recorded": {
        "tail -n 1 /var/lib/tandem/deploys.jsonl": (True, ['{"exit": "done", "revision": "v1"}'])
    },
    "failed": {"apply-nginx apply": (False, ["nginx: it is broken."])},
}
TYPED = {"enter": "\n", "n": "n\n"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_how_it_ends(controller: Controller, ending: str) -> None:
    command, _, end = ENDINGS[ending].partition("\n")
    command, _, answered = command.partition(" ! ")
    command, _, typed = command.partition(" < ")
    code, _, last = " ".join(end.split()).partition(" ")
    if answered:
        cluster: SimulatedCluster = pickle.loads(controller.file.read_bytes())
        for machine in cluster.machines.values():
            machine.answers = dict(ANSWERS[answered])
        controller.keep(cluster)
    words = " ".join(WORDS.get(word, word) for word in command.split()).split()
    running = controller.start(*words)
    said, _ = running.communicate(TYPED.get(typed, ""))
    assert running.returncode == int(code), said
    assert "Traceback" not in said and "bug report" not in said
    told = " ".join(said.split("--> ")[-1].split())
    if "drill" in ending or "verify" in ending:  # which have reports of their own
        told = " ".join(said.split())
    both = "@fake/host1, @fake/host2"
    assert re.match(last.replace("BOTH", both), told), said


def test_ctrl_c_while_a_person_is_asked(controller: Controller) -> None:
    running = controller.start("machines.py", "deploy.py", *WORDS["ONE"].split())
    assert running.stdout
    said = ""
    while "Press enter" not in said:
        said += running.stdout.read(1)
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    said += running.communicate()[0]
    assert running.returncode == 130, said
    assert said.rstrip().endswith("--> Stopped: SIGINT. No machine was changed."), said


def test_the_table_of_the_documentation_has_every_ending() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text.partition("## How a run ends")[2].partition("\n## ")[0]
    codes = set(re.findall(r"\d+", " ".join(re.findall(r"^\|([^|]*)\|", table, re.MULTILINE))))
    assert codes == {"0", "1", "3", "130", "143"}
    for command in ("deploy", "verify", "switchover", "rollback", "teardown", "drill"):
        assert f"`{command}.py`" in table
    done = ("done: changed ", "done: nothing has changed but ")
    for end in (*done, "nothing to do on ", "would ", "Refused: ", "Stopped: "):
        assert f"--> deploy.py: {end}" in table or f"--> {end}" in table or f".py {end}" in table
