"""Three keepalived configurations on one pair, with the same faults and the same prober.

    python -m bench.failover [--quick] [--repeats 5] [--report DIR]

The recipe's own (vrrp_version = 2), a pair's usual one (bench/expert/keepalived.conf.j2), and
Tandem's default. nginx and its unit, which starts it again after a crash, are the same under all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from bench.machinery.bench_command import Measurements, Options, progress, run_bench, tell
from bench.machinery.bench_drills import run_drills
from bench.machinery.bench_lab import Twin, lab_of
from bench.report.bench_result import Comparison, Series, at_most, times
from drills.results import DrillResult, Repeat
from lab.plan import LabMachine

TEMPLATE = Path(__file__).with_name("expert") / "keepalived.conf.j2"
CONFIG_PATH = "/etc/keepalived/keepalived.conf"
FAULTS = (
    *("nginx-crash", "nginx-freeze", "keepalived-crash", "vrrp-child-crash"),
    *("keepalived-stop", "link-cut", "power-off", "reboot"),
)
QUICK = ("link-cut",)
# How many times shorter the outage has to be than with either of the others.
GOALS = {"nginx-crash": 50.0}
GOAL = 10.0
RECIPE, EXPERT, TANDEM = "the recipe's", "a usual one", "Tandem"
CLASSIC = "vrrp_version=2"
# The drill that moves the address on purpose; the usual configuration has no switch-over.
SWITCHOVER = "switchover"
PLANNED = {RECIPE: SWITCHOVER, EXPERT: "keepalived-stop", TANDEM: SWITCHOVER}
# That drill runs 0.4 times as often as `repeats` says, at least once
# (drills/scenarios/planned_changes.py).
SWITCHOVER_REPEATS_FACTOR = 2.5


# The configurations: the drill script of each, and the data of its commands.
PROFILES = {
    RECIPE: ("drill.py", (CLASSIC,)),
    EXPERT: ("bench/expert/drill.py", (CLASSIC,)),
    TANDEM: ("drill.py", ()),
}

DrillsByProfile = dict[str, tuple[DrillResult, ...]]


def measure(options: Options, measured: Measurements) -> None:
    """Measure the outage of each fault under each profile."""
    faults = QUICK if options.quick else FAULTS
    measured.notes.append(
        "Longest time without an answer at 200 new connections/s, as drill.py measures it. Where a "
        "configuration does not notice a fault, its figure is how long the drill has watched."
    )
    drills: DrillsByProfile = {}
    with lab_of(1) as twin, tempfile.TemporaryDirectory() as directory:
        for index, (who, (_, data)) in enumerate(PROFILES.items()):
            progress(f"{who}: {', '.join(faults)}, and a planned move")
            twin.deploy(*data)
            twin.verify(*data, "wait=60")
            if who == EXPERT:
                _configure(twin)
            repeats = dict.fromkeys((*faults, PLANNED[who]), options.repeats)
            if SWITCHOVER in repeats and options.repeats > 1:
                repeats[SWITCHOVER] = round(options.repeats * SWITCHOVER_REPEATS_FACTOR)
            drills[who] = _run_profile(twin, who, repeats, Path(directory) / str(index))
    for name in faults:
        measured.rows += _rows(name, drills)
    measured.rows += _planned(drills)


def _run_profile(
    twin: Twin, who: str, repeats_by_drill: dict[str, int], directory: Path
) -> tuple[DrillResult, ...]:
    """Run the drills of one profile, those with the same number of repeats together."""
    script, options = PROFILES[who]
    drills: list[DrillResult] = []
    for repeats in sorted(set(repeats_by_drill.values())):
        names = ",".join(name for name, count in repeats_by_drill.items() if count == repeats)
        data = (
            *(*options, f"profile={who.replace(' ', '-')}", "moves=1"),
            *(f"drills={names}", f"repeats={repeats}"),
        )
        drills += run_drills(twin, script, *data, report=directory / str(repeats)).drills
    return tuple(drills)


def _configure(twin: Twin) -> None:
    """Replace the deployed keepalived configuration by the usual one."""
    holder, standby = twin.lab.machines
    for machine, peer in ((holder, standby), (standby, holder)):
        text = usual_configuration(machine, peer, first=machine is holder)
        twin.ssh(machine.name, f"cat >{CONFIG_PATH}", text)
        restart = f"keepalived --config-test -f {CONFIG_PATH} && systemctl restart keepalived"
        twin.ssh(machine.name, restart)


def usual_configuration(machine: LabMachine, peer: LabMachine, *, first: bool) -> str:
    """The usual keepalived.conf of a machine of the first pair; `first`: its preferred holder."""
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(
        TEMPLATE.read_text()
    )
    return template.render(
        name=machine.name,
        state="MASTER" if first else "BACKUP",
        interface=machine.interface,
        virtual_router_id=61,
        priority=101 if first else 100,
        address=machine.address,
        peer=peer.address,
        vip=f"{machine.address.rpartition('.')[0]}.254/{machine.prefix_length}",
    )


def _rows(name: str, drills_by_profile: DrillsByProfile) -> list[Comparison]:
    """A fault's outage beside that of each of the other two profiles."""
    repeats = {
        who: next((drill.counted for drill in drills if drill.name == name), ())
        for who, drills in drills_by_profile.items()
    }
    lost = "; ".join(f"{who} {_lost(counted)}" for who, counted in repeats.items())
    ours = _outages(TANDEM, repeats[TANDEM])
    rows = [
        Comparison(
            name,
            ours,
            rival,
            times(GOALS.get(name, GOAL)),
            note=f"requests lost, median: {lost}" if who == EXPERT else "",
        )
        for who in (RECIPE, EXPERT)
        if ours and (rival := _outages(who, repeats[who]))
    ]
    if not rows:
        tell(f"{name}: nothing to compare: {lost}")
    return rows


def _outages(who: str, repeats: Iterable[Repeat]) -> Series | None:
    seconds = [repeat.measured_s for repeat in repeats if repeat.measured_s is not None]
    return Series(who, "s", tuple(round(value, 4) for value in seconds)) if seconds else None


def _lost(repeats: Iterable[Repeat]) -> str:
    lost = sorted(repeat.lost_count for repeat in repeats)
    return str(lost[len(lost) // 2]) if lost else "not measured"


def _planned(drills_by_profile: DrillsByProfile) -> list[Comparison]:
    """The requests lost by a planned move, there and back."""
    lost = {
        who: Series(
            f"{who} ({drill.name})",
            "requests lost",
            tuple(float(repeat.lost_count) for repeat in drill.counted),
        )
        for who, drills in drills_by_profile.items()
        for drill in drills
        if drill.name == PLANNED[who] and drill.counted
    }
    return [
        Comparison("a planned move, there and back", lost[TANDEM], lost[who], at_most(0))
        for who in (RECIPE, EXPERT)
        if {who, TANDEM} <= lost.keys()
    ]


if __name__ == "__main__":
    run_bench("what faults cost with the recipe's, a usual, and Tandem's keepalived", measure)
