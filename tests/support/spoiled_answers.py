"""Answers that are no evidence: each probe's, in every way that an answer can be spoiled."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support.snapshots import told
from verify.checks.check import Check, Finding
from verify.observe.bundle import Bundle, RoundTrip
from verify.observe.probe import HttpProbe, ShellProbe, of_vip
from verify.observe.probes import all_probes
from verify.read.answers import NOT_FOUND
from verify.snapshot import LARGEST_CHARACTERS, TIMED_OUT, HostAnswers, ProbeOutput, Snapshot

# What another program may have printed instead.
NONSENSE = "?! \x01 {[ nonsense"
OTHER_JSON = ("{}", "[]", "null", '{"a": [1, {"b": null}]}', '{"nftables": []}', "[[1], 2]")

# None: there is no answer at all.
Spoil = Callable[[ProbeOutput, bool], ProbeOutput | None]


def _with(text: Callable[[str], str], status: int | None = None) -> Spoil:
    """Another text, as it is; and another status."""

    def spoil(output: ProbeOutput, shell: bool) -> ProbeOutput:
        given = output.status if status is None else status
        return _given(output, text(output.text), given)

    return spoil


def _ended(text: Callable[[str], str], status: int = 0) -> Spoil:
    """Another text that seems to be whole."""

    def spoil(output: ProbeOutput, shell: bool) -> ProbeOutput:
        found = text(output.text)
        return _given(output, told(found) if shell else found, status)

    return spoil


def _given(output: ProbeOutput, text: str, status: int) -> ProbeOutput:
    # Not copied: whatever else a snapshot remembers of a text is to be no help here.
    return ProbeOutput(command=output.command, status=status, text=text)


def _half(text: str) -> str:
    return text[: len(text) // 2]


def _half_of_lines(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: max(1, len(lines) // 2)])


def _without_the_last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[0] or text[: len(text) // 2]


SPOILS: dict[str, Spoil] = {
    "absent": lambda output, shell: None,
    "empty": _with(lambda text: ""),
    "white space": _with(lambda text: " \n\n"),
    "nothing but its end": _ended(lambda text: ""),
    "cut in the middle": _with(_half),
    "cut at a line's end": _with(_half_of_lines),
    "without its last line": _with(_without_the_last_line),
    "garbage": _with(lambda text: NONSENSE),
    "garbage that ends": _ended(lambda text: NONSENSE),
    **{
        f"other JSON {json}": _ended(lambda text, json=json: json)  # type: ignore[misc]
        for json in OTHER_JSON
    },
    "time-out": _with(_half, TIMED_OUT),
    "killed": _with(_half, 137),
    "program missing": _ended(lambda text: "sh: 1: program: not found", NOT_FOUND),
    "may not": _ended(lambda text: "program: Permission denied", 1),
    "huge": _with(lambda text: text + "x" * LARGEST_CHARACTERS),
    "long garbage that ends": _ended(lambda text: "nonsense {\n" * 10_000),
    "not UTF-8": _ended(lambda text: "\ufffd\udcff" * 200),
}


def probes_of(snapshot: Snapshot) -> dict[str, dict[str, ShellProbe]]:
    """What each machine was asked, by name of machine and probe."""
    return {
        node.name: {
            probe.name: probe
            for bundle in all_probes(node, cluster).bundles
            for probe in bundle.probes
        }
        for cluster in snapshot.clusters
        for node in cluster.nodes
    }


def spoiled(
    snapshot: Snapshot, hosts: Iterable[str], probe: str, spoil: Spoil, asked: dict[str, Any]
) -> Snapshot:
    """The snapshot with this one answer spoiled, on these machines."""
    changed = dict(snapshot.hosts)
    for host in hosts:
        answers = changed[host]
        shell = not isinstance(asked[host][probe], HttpProbe)
        outputs = {name: its for name, its in answers.outputs.items() if name != probe}
        if (its := spoil(answers.outputs[probe], shell)) is not None:
            outputs[probe] = its
        changed[host] = answers.model_copy(update={"outputs": outputs})
    return snapshot.model_copy(update={"hosts": changed})


def read_by(finding: Finding, snapshot: Snapshot) -> set[tuple[str, str]]:
    """The answers that a finding is based on: machine and probe, from what its check `reads`."""
    return set(_read(finding.check, finding.host, _place(finding, snapshot), snapshot))


def _place(finding: Finding, snapshot: Snapshot) -> int:
    return next(view.place for view in snapshot.views if view.name == finding.cluster)


def _read(
    check: Check, host: str | None, place: int, snapshot: Snapshot
) -> Iterator[tuple[str, str]]:
    own = [host] if host else list(snapshot.hosts)
    for probe in check.reads:
        for name, answers in snapshot.hosts.items():
            if "{name}" in probe:
                wanted = {probe.format(name=host)} if name != host else set()
            elif name not in own:
                continue
            elif probe.endswith(":*"):
                wanted = {its for its in answers.outputs if its.startswith(probe[:-1])}
            else:
                wanted = {of_vip(probe, place)}
            yield from ((name, its) for its in wanted if its in answers.outputs)


def raw_round_trip(answers: HostAnswers, place: Path) -> tuple[RoundTrip, str]:
    """A round trip that is asked what a machine was, and answered as the machine has; with what its
    script prints here. `place`: a directory that is not there yet."""
    place.mkdir()
    probes = []
    for number, (name, output) in enumerate(answers.outputs.items()):
        file = place / str(number)
        # Written byte by byte, whatever its ends of lines are.
        file.write_bytes(output.text.encode())
        probes.append(ShellProbe(name, f"cat {shlex.quote(str(file))}; exit {output.status}"))
    asked = RoundTrip(Bundle(*probes))
    done = subprocess.run(["sh", "-c", asked.script], stdout=subprocess.PIPE, check=True)
    return asked, done.stdout.decode()
