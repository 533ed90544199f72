"""What a machine's turn has to do for nginx: read off the machine, or foreseen by it for a plan."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from pyinfra import host
from pyinfra.api import FactBase, Host
from pyinfra.context import ctx_host

from controller import program_archive, run_changes
from controller.batched_facts import patience_s
from controller.ssh.machine_connector import BYTES_PER_S, LIMIT_S
from tasks.machine.quoting import quoted

PROGRAM = "/usr/lib/tandem/apply-nginx"
# Where a plan's question lies while it is answered.
PLACES = "/run/tandem-foresee.*"


class DueAction(NamedTuple):
    """What a machine's turn has to do for nginx: none, start, reload, upgrade, restart, confirm.

    `foreign`: files of configuration that nginx reads and no deploy put there.
    """

    action: str = "start"
    reason: str = "it is not running"
    foreign: tuple[str, ...] = ()


class DueActionFact(FactBase[DueAction]):
    """The `DueAction`, from how what runs differs from what is staged."""

    default = DueAction

    def command(self) -> str:
        return f"{PROGRAM} look 2>/dev/null || true"

    def process(self, output: list[str]) -> DueAction:
        said = dict(line.split("=", 1) for line in output if "=" in line)
        if "Action" not in said:
            return DueAction()
        foreign = tuple(line.partition("=")[2] for line in output if line.startswith("Own="))
        return DueAction(said["Action"], said["Reason"], foreign)


# --- before anything is staged -------------------------------------------------------------------


class ForeseenAction(NamedTuple):
    """What a generation that is not staged would take: the `DueAction`, and what its test says.

    + faults: why it would be refused; doubts: what is no proof of that; warnings: nginx's own.
    """

    due: DueAction = DueAction()
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ForeseenActionFact(FactBase[ForeseenAction | None]):
    """The `ForeseenAction`, from this version's apply-nginx, which is sent and does not stay; None
    where nothing is said. Standard input: a tar archive with the program, and `new.tar`."""

    @staticmethod
    def default() -> ForeseenAction | None:
        return None

    def command(self, generation: str, tar: str, sources: tuple[str, ...]) -> str:
        words = quoted("foresee", generation)
        given = f'"$place/{tar}"' if tar else "''"
        return (
            "( place=$(mktemp -d /run/tandem-foresee.XXXXXXXX) && trap 'rm -rf \"$place\"' EXIT && "
            "trap 'exit 1' INT TERM HUP && base64 -d | tar --extract -C \"$place\" && "
            f'python3 "$place/apply-nginx" {words} {given} {quoted(*sources)} ) || true'
        )

    def process(self, output: list[str]) -> ForeseenAction | None:
        said: dict[str, list[str]] = {"Fault": [], "Doubt": [], "Warn": []}
        for line in output:
            key, _, value = line.partition("=")
            said.get(key, []).append(value)
        if not said["Fault"] and not any(line.startswith("Action=") for line in output):
            return None
        return ForeseenAction(
            DueActionFact().process(output),
            *(tuple(said[key]) for key in ("Fault", "Doubt", "Warn")),
        )


class _Unshown(list[str]):
    """Standard input that may hold secrets: -v prints a fact's arguments."""

    def __repr__(self) -> str:
        return "(not shown)"


_NOT_HERE = re.compile(r"bind\(\) to \[?([0-9a-f.:]+?)\]?:\d+ failed \(99:")
_foreseen: WeakKeyDictionary[Host, DueAction] = WeakKeyDictionary()


def but_for(absent: Iterable[str], faults: Sequence[str]) -> list[str]:
    """The faults of a test but for those that the run mends before: addresses of `absent`, to
    listen on, that this machine has not got."""
    named = [_NOT_HERE.search(line) for line in faults]
    mended = [bool(found and found[1] in absent) for found in named]
    rest = [line for line, is_mended in zip(faults, mended, strict=True) if not is_mended]
    return rest if not any(mended) else [line for line in rest if "test failed" not in line]


def foresee(
    name: str, sources: Sequence[str] = (), tar: bytes = b"", absent: Iterable[str] = ()
) -> None:
    """Have this machine say what the generation `name` would take, and note it in the plan.

    + tar: the generation, if the machine does not keep it.
    + absent: the addresses that it is to listen on though another machine may have them.
    """
    packed = io.BytesIO()
    members = {"apply-nginx": program_archive.archive("nginx/apply-nginx")}
    members |= {"new.tar": tar} if tar else {}
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, data in members.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    text = base64.b64encode(packed.getvalue()).decode()
    found = host.get_fact(
        ForeseenActionFact,
        generation=name,
        tar="new.tar" if tar else "",
        sources=tuple(sources),
        _stdin=_Unshown([text]),
        _timeout=patience_s(LIMIT_S) + len(text) // BYTES_PER_S,
    )
    plan = run_changes.this_plan()
    if found is None:
        plan.doubts.append("nginx: the machine could not say what the change would take")
        return
    _foreseen[_this_host()] = found.due
    plan.faults += [f"nginx: {line}" for line in but_for(tuple(absent), found.faults)]
    plan.doubts += [f"nginx: {line}" for line in found.doubts]
    plan.warnings += found.warnings


def due_action() -> DueAction | None:
    """What was foreseen for this machine's turn, while the run is prepared."""
    return _foreseen.get(_this_host()) if run_changes.is_planning() else None


def _this_host() -> Host:
    return ctx_host.get()  # type: ignore[no-any-return, no-untyped-call]
