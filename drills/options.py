"""The options of drill.py, checked before any machine is asked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from drills.analysis import other_profile
from drills.scenarios import catalogues
from drills.scenarios.catalogues import VRRP, Catalogue
from drills.scenarios.scenario import Drill
from settings import Cluster, Mistake, SettingsError


def mistakes(
    drills: str, against: str, report: str, known: Iterable[Catalogue] = (VRRP,)
) -> list[Mistake]:
    """Everything that is wrong with `--data` beyond its values' types. `known`: the drills that
    there are for this inventory's clusters."""
    found = list(_unknown(drills, [name for each in known for name in each.names]))
    if against:
        try:
            other_profile.load(Path(against))
        except SettingsError as error:
            found += error.mistakes
    if report and Path(report).exists() and not Path(report).is_dir():
        found.append(Mistake("--data", "report", report, "is a file; give a directory"))
    if report and against and Path(report).resolve() == Path(against).resolve():
        remedy = "is where the report goes, and would be overwritten; give another directory"
        found.append(Mistake("--data", "against", against, remedy))
    return found


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip().lower())]


def _unknown(text: str, known: list[str]) -> Iterator[Mistake]:
    for name in _names(text):
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "without drills= they are listed"
        yield Mistake("--data", "drills", name, f"there is no such drill; {hint}")


def chosen(text: str, catalogue: Catalogue = VRRP) -> tuple[Drill, ...]:
    """The drills that `drills=` names, each once, in the order given."""
    return catalogue.chosen(_names(text))


def chosen_for(text: str, clusters: Iterable[Cluster]) -> tuple[Drill, ...]:
    """Those of all these clusters."""
    known = catalogues.of_each(clusters)
    return tuple(drill for catalogue in known for drill in chosen(text, catalogue))


def question(drills: tuple[Drill, ...], clusters: Iterable[Cluster], earlier: Iterable[str]) -> str:
    """What a person has to confirm outside the lab.

    `drills`: none where only what an `earlier` run has left is put back, which it does in words.
    """
    lines = [f"    {drill.name:<22} {drill.breaks}" for drill in drills]
    for cluster in clusters:
        names = ", ".join(f"{node.name} ({node.address})" for node in cluster.nodes)
        lines.append(f"on {cluster.name}: {cluster.vip.ip}, {names}")
    first, last = (
        "This breaks on purpose:",
        "Requests will be lost. Everything is put back, also after Ctrl-C.",
    )
    if not drills:
        first, last = "This puts back what an earlier drill.py has left, and breaks nothing:", ""
    lines = ["These are no lab's machines.", *earlier, first, *lines, last]
    return "\n".join(filter(None, lines))
