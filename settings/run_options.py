"""The options of one run, which `--data NAME=VALUE` gives."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from pydantic import Field

from settings.values import Values


class RunOptions(Values):
    """What `--data NAME=VALUE` says about one run rather than about the machines."""

    only: str = Field("", description="check ids or areas, with commas: only=NGX-01,X")
    skip: str = Field("", description="check ids or areas, with commas: skip=TIME")
    wait: float = Field(0, ge=0, le=3600, description="0 to 3600 seconds")
    report: str = Field("", description="a directory for the reports")
    replay: str = Field("", description="a gathering.json that an earlier report=DIR has saved")
    list: bool = Field(False, description="1 lists the checks, or generations, and changes nothing")
    explain: str = Field("", description="the id of one check: explain=X-01")

    break_lock: bool = Field(False, description="1 ends another run that has the machines' lock")
    interrupt: bool = Field(False, description="1 restarts also where nobody else could serve")
    to: str = Field(
        "",
        description="the machine that shall hold the VIP: to=host2; or for rollback.py the "
        "generation to go back to: to=20261128-131502",
    )
    drain: str = Field("", description="the machine that shall give the VIP away: drain=host1")
    undrain: str = Field("", description="the machine whose drain is over: undrain=host1")

    drills: str = Field("", description="names with commas; without any, drill.py lists them")
    drilled_vip: str = Field("", description="which of a cluster's VIPs, if not its first")
    repeats: int = Field(5, ge=1, le=100, description="1 to 100")
    moves: int = Field(10, ge=1, le=100, description="1 to 100, there and back, of a switchover")
    rate: float = Field(200, ge=10, le=500, description="10 to 500 requests per second")
    idle: int = Field(10_000, ge=1, le=25_000, description="1 to 25000 idle connections")
    hold: float = Field(60, ge=1, le=3600, description="1 to 3600 seconds that they are held")
    timing: Literal["judge", "show"] = Field(
        "judge", description="judge, or show: what takes longer than its budget fails nothing"
    )
    yes: bool = Field(False, description="1 breaks machines, or takes them apart, without asking")
    undo: bool = Field(False, description="1 puts back what an earlier drill.py has left, no more")
    profile: str = Field("", description="a name for these settings in the report")
    against: str = Field("", description="the directory of another drill.py's report")


# What each command does something with; another one would drop it.
COMMANDS = MappingProxyType(
    {
        "deploy.py": frozenset({"break_lock", "interrupt"}),
        "verify.py": frozenset({"only", "skip", "wait", "report", "replay", "list", "explain"}),
        "drill.py": frozenset(
            {
                *("drills", "drilled_vip", "repeats", "moves", "rate", "idle", "hold", "timing"),
                *("yes", "undo", "profile", "against", "report", "break_lock"),
            }
        ),
        "switchover.py": frozenset({"to", "drain", "undrain", "wait", "break_lock"}),
        "rollback.py": frozenset({"to", "list", "interrupt", "break_lock"}),
        "teardown.py": frozenset({"yes", "interrupt", "break_lock"}),
    }
)


def commands_of(option: str) -> tuple[str, ...]:
    """The deploy files that have it; none for what is no option."""
    return tuple(name for name, options in COMMANDS.items() if option in options)
