"""Deploys of a lab that are disturbed, and what one can tell of each from outside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from lab.twin import Lab
from tests.support.lab.pair import END_OF_RUN
from tests.support.lab.steps.disturbance import QUESTIONS, TABLE, Disturbance, How, Note, read_notes

# After so long without anything that happens a run has to have ended.
SILENCE_S = 30.0
# Then it is ended; until then it is waited for, so that one sees by how much it is late.
GIVEN_UP_S = 45.0
LONGEST_S = 900.0
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Run:
    """A run that has ended, or was ended after `GIVEN_UP_S` of silence: then `code` is None.

    silence_s: how long it took from the last thing that happened until it ended.
    """

    code: int | None
    output: str
    notes: list[Note] = field(repr=False)
    silence_s: float = 0.0

    @property
    def disturbed(self) -> bool:
        return any(note.event == "disturbed" for note in self.notes)

    @property
    def end(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self.output.splitlines()[-25:])[-2000:]

    @property
    def changed_nothing(self) -> bool:
        """Whether it has come to its end and carried nothing out."""
        return re.findall(END_OF_RUN, self.output, re.MULTILINE)[-1:] == ["nothing to do"]


def deploy(lab: Lab, words: tuple[str, ...], disturbance: Disturbance | None = None) -> Run:
    """Run deploy.py in the lab's own checkout, with `words` beside it."""
    checkout = lab.state.root.parent
    with tempfile.TemporaryDirectory() as directory:
        notes, output = Path(directory) / "notes", Path(directory) / "output"
        command = [
            *(sys.executable, "-m", "tests.support.lab.steps.disturbed_run", str(notes)),
            *(disturbance.to_json() if disturbance else "", "-y", "inventory.py", "deploy.py"),
            *words,
        ]
        with output.open("w") as file:
            running = subprocess.Popen(
                lab.run_command(command),
                cwd=checkout,
                env=lab.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        code, ended_s = _wait(running, notes)
        found = read_notes(notes.read_text()) if notes.exists() else []
        said = COLOURS.sub("", output.read_text(errors="replace"))
        return Run(code, said, found, max(0.0, ended_s - last_s(found, ended_s)))


def last_s(notes: list[Note], ended_s: float) -> float:
    """When the last thing happened: the disturbance, or what another machine did after it.

    That a command ends whose machine or connection has gone is what is waited for.
    """
    disturbed = next((note for note in notes if note.event == "disturbed"), None)
    if not disturbed:
        return ended_s
    others = (note.time_s for note in notes if note.host != disturbed.host)
    return max(disturbed.time_s, *others, 0.0)


def others_work(notes: list[Note]) -> bool:
    """Whether another machine than the disturbed one is at a command, which is waited for."""
    disturbed = next((note for note in notes if note.event == "disturbed"), None)
    if not disturbed:
        return False
    began, ended = (
        {
            (note.step, note.host, note.command)
            for note in notes
            if note.event == event and note.host != disturbed.host
        }
        for event in ("began", "ended")
    )
    return bool(began - ended)


def _wait(running: subprocess.Popen[bytes], notes: Path) -> tuple[int | None, float]:
    """Its exit status and when it ended; it is killed, and that None, if it is silent too long."""
    began_s = time.monotonic()
    while running.poll() is None:
        now_s = time.monotonic()
        found = read_notes(notes.read_text()) if notes.exists() else []
        broken = any(note.event == "disturbed" for note in found)
        silent = broken and not others_work(found) and now_s - last_s(found, now_s) > GIVEN_UP_S
        if silent or now_s - began_s > LONGEST_S:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            return None, time.monotonic()
        time.sleep(0.1)
    return running.returncode, time.monotonic()


def faults(run: Run, disturbance: Disturbance) -> list[str]:
    """What is wrong with how a disturbed run ended, and with what it said."""
    if run.code is None:
        return [f"had to be ended after {GIVEN_UP_S:.0f} s of silence"]
    found = []
    if run.silence_s > SILENCE_S:
        found.append(f"ended after {run.silence_s:.0f} s of silence")
    if disturbance.how is How.KILL:
        return found
    if run.code == 0:
        found.append("exit status 0")
    if "Traceback" in run.output:
        found.append(f"a traceback: {run.end}")
    said = run.output.partition("Stopped:")[2].strip() or run.end
    wanted = {"machine": disturbance.host, "remedy": "run this again"}
    if disturbance.step != QUESTIONS:
        wanted["step"] = disturbance.step
    found += [
        f"its message has no {what} ({words}): {said}"
        for what, words in wanted.items()
        if words not in said
    ]
    return found


def holders(lab: Lab, vip: str) -> list[str]:
    """Who holds the VIP; the kernel is asked, and no machine."""
    found = []
    for machine in lab.machines:
        command = ["ip", "-n", machine.netns, "-json", "-4", "address"]
        asked = subprocess.run(command, capture_output=True, text=True)
        links = json.loads(asked.stdout) if asked.returncode == 0 and asked.stdout else []
        # On lo a node has it while it hands its connections over to the next holder.
        own = [link for link in links if link["ifname"] != "lo"]
        if any(each["local"] == vip for link in own for each in link.get("addr_info", ())):
            found.append(machine.name)
    return found


def answers(lab: Lab, vip: str) -> bool:
    return lab.run(["curl", "-fs", "-m", "3", f"http://{vip}/"]).returncode == 0


def trouble_with_vip(lab: Lab, vip: str, seconds: float = 15.0) -> str:
    """Why not exactly one machine holds the VIP and answers there; "" once one does."""
    deadline_s = time.monotonic() + seconds
    while True:
        found = holders(lab, vip)
        if len(found) == 1 and answers(lab, vip):
            return ""
        if time.monotonic() > deadline_s:
            whom = " and ".join(found) or "nobody"
            return f"for {seconds:.0f} s the VIP is held by {whom}, or does not answer"
        time.sleep(0.2)


def let_packets_pass(lab: Lab) -> None:
    """Take away what lost the packets of connections: those that were cut stay so until then."""
    for machine in lab.machines:
        command = ["ip", "netns", "exec", machine.netns, "nft", "delete", "table", *TABLE.split()]
        subprocess.run(command, capture_output=True)  # most machines have none
