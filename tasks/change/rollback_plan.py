"""Decides which generation the machines of a cluster go back to; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from settings import Cluster, Mistake, Refused, RunOptions

_ID = re.compile(r"\d{8}-\d{6}")
_NOTHING = {
    "unrecorded": "it was deployed by an earlier version, which has kept no generations of whole "
    "machines: the next deploy begins to",
    "unreadable": "what it says of its generations cannot be read: deploy, and try again",
}


@dataclass(frozen=True)
class KeptGeneration:
    """A generation that a machine keeps.

    + before: the one that was in place before it, "" for none.
    + ranks: its VRRP priority for each VIP, {} where that was not written down.
    + units: the texts of files that define a service, by path, where they differ.
    + lacking: what of it is not there whole any more; differs: where it is not what is in place.
    """

    id: str
    time: str = ""
    revision: str = ""
    operator: str = ""
    before: str = ""
    profile: str = ""
    nginx: str = ""
    vips: tuple[str, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Its name and origin, for a person."""
        return f"{self.id} (revision {self.revision}, by {self.operator}, {self.time})"


@dataclass(frozen=True)
class MachineHistory:
    """What a machine says of its past.

    + present: the generation that its last finished run has left, "" for none.
    + stopped: the command of a run that has begun here and did not come to its end, "" for none;
      returning: the generation that it was on its way back to.
    + rolled_back: when and by whom it was brought to the present one, in words, where that was no
      deploy.
    + nothing: why it has no generation, in words, where that is known.
    """

    generations: Mapping[str, KeptGeneration] = field(default_factory=dict)
    present: str = ""
    stopped: str = ""
    returning: str = ""
    rolled_back: str = ""
    nothing: str = ""

    def earlier(self) -> Iterator[str]:
        """The generations before the present one, each the one that was in place before."""
        here, seen = self.present, set[str]()
        while here in self.generations and here not in seen:
            seen.add(here)
            here = self.generations[here].before
            if here in self.generations:
                yield here


@dataclass(frozen=True)
class ClusterRollback:
    """Where the machines of a cluster go, and why: a sentence."""

    target: str
    why: str
    machines: Mapping[str, MachineHistory]

    def of(self, name: str) -> KeptGeneration:
        """The generation on one machine."""
        return self.machines[name].generations[self.target]

    def then(self, cluster: Cluster) -> Cluster:
        """The cluster in the order that its machines will have."""
        return cluster.ranked({name: self.of(name).ranks for name in self.machines})


def mistakes(options: RunOptions) -> Iterator[Mistake]:
    """What is wrong with the options of rollback.py, before any machine is asked."""
    if options.to and not _ID.fullmatch(options.to):
        yield Mistake(
            "--data", "to", options.to, "the name of a generation, as rollback.py --data list=1 has"
        )
    if options.to and options.list:
        yield Mistake("--data", "list", "1", "give list=1 or to=, not both")


def parse_history(said: Mapping[str, Any]) -> MachineHistory:
    """Read what `deploy-record list` prints; another version of it may have more, or less."""
    entries = [each for each in said.get("generations", ()) if _ID.fullmatch(str(each.get("id")))]
    found = [
        KeptGeneration(
            id=each["id"],
            nginx=str(each.get("contents", {}).get("nginx", "")),
            vips=tuple(each.get("vips", ())),
            ranks=each.get("ranks", {}),
            units=each.get("units", {}),
            lacking=tuple(each.get("lacking", ("what is known of it",))),
            differs=tuple(each.get("differs", ())),
            **{
                key: str(each.get(key, ""))
                for key in ("time", "revision", "operator", "before", "profile")
            },
        )
        for each in entries
    ]
    last = said.get("last", {})
    stopped = bool(last) and last.get("exit") != "done"
    back = bool(last.get("to")) and not stopped
    return MachineHistory(
        nothing=next((why for key, why in _NOTHING.items() if said.get(key)), ""),
        generations={each.id: each for each in found},
        present=str(said.get("present", "")),
        stopped=last.get("command", "") if stopped else "",
        returning=last.get("to", "") if stopped else "",
        rolled_back=f"on {last.get('time')} by {last.get('operator')}" if back else "",
    )


def plan_rollback(
    cluster: str, machines: Mapping[str, MachineHistory], to: str = ""
) -> ClusterRollback:
    """The one generation for all of them: `to`, or the one before what is in place.

    A run that was stopped is undone, or finished if it was a rollback. Raises `Refused` naming
    every machine that could not go there.
    """
    target, why = (to, "as asked") if to else _before(cluster, machines)
    faults = [
        f"{name}: {fault}"
        for name, its in sorted(machines.items())
        for fault in _faults(its, target)
    ]
    if faults:
        raise Refused(
            f"{cluster} cannot go to generation {target}. {'; '.join(faults)}. "
            "No machine was touched. Which there are: rollback.py --data list=1"
        )
    return ClusterRollback(target, why, machines)


def _faults(machine: MachineHistory, target: str) -> Iterator[str]:
    found = machine.generations.get(target)
    if not found:
        kept = ", ".join(sorted(machine.generations)) or "none"
        yield machine.nothing or f"it has not got it (it has {kept})"
        return
    if found.lacking:
        yield f"of it is missing {', '.join(found.lacking)}"
    present = machine.generations.get(machine.present)
    if present and present.profile != found.profile:
        routed = "routed" in (present.profile, found.profile)
        setting = "spread" if routed else "vrrp_version"
        yield (
            f"it was deployed with the {found.profile} profile, and has the services of the "
            f"{present.profile} one: deploy with {setting} as it was"
        )


def _before(cluster: str, machines: Mapping[str, MachineHistory]) -> tuple[str, str]:
    """The generation before what is in place, or what a run that was stopped leads to."""
    returning = sorted({its.returning for its in machines.values() if its.returning})
    if returning:
        return returning[-1], "a rollback to it was stopped"
    newest = _newest(machines.values())
    if not newest:
        none = "there is no earlier generation to go back to, since no deploy has come to its end"
        by_reason: dict[str, list[str]] = {}
        for name, its in sorted(machines.items()):
            by_reason.setdefault(its.nothing or none, []).append(name)
        said = "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())
        raise Refused(f"{said}. No machine was touched.")
    stopped = sorted(name for name, its in machines.items() if its.stopped)
    if stopped:
        commands = " and ".join(sorted({machines[name].stopped for name in stopped}))
        # What is in place there is what that run began with: on another it may have ended.
        began = [machines[name] for name in stopped]
        every = machines.values()
        common = [its for its in began if all(its.present in each.generations for each in every)]
        return (
            _newest(common or began) or newest,
            f"the {commands} on {', '.join(stopped)} did not come to its end, and is undone",
        )
    lines = [list(its.earlier()) for its in machines.values()]
    everywhere = [
        each
        for each in max(lines, key=len)
        if all(each in its.generations for its in machines.values())
    ]
    place = next(its for its in machines.values() if its.present == newest)
    already = f", to which it was rolled back {place.rolled_back}" if place.rolled_back else ""
    for each in everywhere:
        if any(its.generations[each].differs for its in machines.values()):
            return each, f"the one before {newest}{already}"
    here = place.generations.get(newest, KeptGeneration(newest)).text
    later = sorted({each for its in machines.values() for each in its.generations if each > newest})
    more = f" Kept are, too: {', '.join(later)}."
    more += f" To go forward again: rollback.py --data to={later[-1]}." if already else ""
    raise Refused(
        f"{cluster} is at generation {here}{already}, "
        f"and {', '.join(sorted(machines))} have no earlier one in common."
        f"{more if later else ''} Which there are: rollback.py --data list=1. "
        "No machine was touched."
    )


def _newest(machines: Iterable[MachineHistory]) -> str:
    """The generation in place that was in place before no other of them; "" for none.

    Their names do not say it: each is the time of some controller's clock.
    """
    every = list(machines)
    present = {its.present for its in every if its.present}
    earlier = {generation for its in every for generation in its.earlier()}
    return max(present - earlier or present, default="")


def listing(cluster: str, machines: Mapping[str, MachineHistory]) -> Iterator[str]:
    """The lines of `list=1`: every generation, the newest first, and who has it."""
    names = sorted({each for its in machines.values() for each in its.generations}, reverse=True)
    yield f"{cluster}: {len(names)} generations" + (", the newest first" if names else "")
    for name in names:
        having = {host: its for host, its in machines.items() if name in its.generations}
        yield f"  {next(iter(having.values())).generations[name].text}"
        for host, its in sorted(machines.items()):
            if host not in having:
                yield f"      {host}: it has not got it"
                continue
            found = its.generations[name]
            here = "in place" if its.present == name else "as what is in place"
            state = f"differs in {', '.join(found.differs)}" if found.differs else here
            missing = f"; missing: {', '.join(found.lacking)}" if found.lacking else ""
            yield f"      {host}: {state}{missing}"
    for host, its in sorted(machines.items()):
        if its.nothing:
            yield f"  {host}: {its.nothing}"
        if its.stopped:
            yield f"  {host}: a {its.stopped} was begun there and did not come to its end"
