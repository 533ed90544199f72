"""The long-lived load's other half: the file on every node, and the process that fetches it."""

from __future__ import annotations

from typing import Any

from drills.clients.long_lived import MIB, SEED, Spec
from drills.control import self_undo
from drills.control.child_process import Child
from drills.control.machines import MachineError, Machines
from drills.results import Kind, LongLived
from settings import Cluster

NAME = "tandem-drill.bin"
FILE = f"/usr/html/{NAME}"
KEY = "download"
SIZE = 64 * MIB
# A disk that is nearly full is not made full by a drill.
SPARE = 256 * MIB
# Nobody needs the file for longer than this, should the controller die.
LONGEST_S = 1800
# Late by more, and what seems to hang is this process, which was not allowed to run.
LAG_MAX_S = 1.0
MAKE_TIMEOUT_S = 60.0

# The same bytes in two ways: machines have Python for the watch, or OpenSSL for nginx.
_PYTHON = (
    f"import hashlib, sys; sys.stdout.buffer.write(hashlib.shake_256({SEED!r}).digest({SIZE}))"
)
_MAKE = (
    f"free=$(df --output=avail --block-size=1 $(dirname {FILE}) | tail -n 1) && "
    f"{{ [ $free -ge {SIZE + SPARE} ] || "
    f"{{ echo 'not enough room for a file of 64 MiB in /usr/html'; exit 1; }}; }} && "
    f'{{ python3 -c "{_PYTHON}" 2>/dev/null || printf {SEED.decode()} | '
    f"openssl dgst -shake256 -xoflen {SIZE} -binary; }} >{FILE}.new && "
    f"[ $(stat -c %s {FILE}.new) = {SIZE} ] && chmod 644 {FILE}.new && mv {FILE}.new {FILE}"
)
_REMOVE = f"rm -f {FILE} {FILE}.new"


def place(machines: Machines) -> None:
    """The same file on every node, made there. It removes itself should nobody do it."""
    machines.everywhere(self_undo.inject(KEY, _MAKE, _REMOVE, LONGEST_S), timeout_s=MAKE_TIMEOUT_S)


def remove(machines: Machines) -> str:
    """What could not be removed, in words."""
    try:
        machines.everywhere(self_undo.undo(KEY))
    except MachineError as error:
        return str(error)
    return ""


def spec(cluster: Cluster, pages: dict[str, str]) -> Spec:
    return Spec(
        address=str(cluster.vip.ip),
        port=cluster.preferred.served_port,
        tls=cluster.preferred.tls,
        pages=pages,
        path=f"/{NAME}",
        page=cluster.preferred.page_path,
        longest_s=LONGEST_S,
        size=SIZE,
    )


class Load(Child):
    """Long-lived work that goes on. It has all begun when this returns."""

    def __init__(self, spec: Spec):
        self.t0 = 0.0
        self.lag_s = 0.0
        self._finish_s = spec.finish_s
        self._ready = False
        self._ended: list[LongLived] = []
        super().__init__("the long-lived load", "drills.clients.long_lived", spec.to_json())
        self._until(lambda: self._ready)

    def _take(self, said: Any) -> None:
        if isinstance(said, list):
            kind, *more = said
            self._ended.append(LongLived(Kind(kind), *more))
        elif "t0" in said:
            self.t0 = said["t0"]
        elif "ready" in said:
            self._ready = True
        else:
            self.lag_s = said["lag_s"]

    def finished(self, t0: float) -> tuple[LongLived, ...]:
        """Let what runs come to its end. Every connection there was, in seconds since `t0`."""
        self.stop(self._finish_s + 10)
        later_s = self.t0 - t0
        shifted = (
            LongLived(
                **{
                    **vars(work),
                    "from_s": round(work.from_s + later_s, 4),
                    "to_s": round(work.to_s + later_s, 4),
                }
            )
            for work in self._ended
        )
        return tuple(sorted(shifted, key=lambda work: (work.kind, work.from_s)))


def void(load: Load | None) -> str:
    """Why this load says nothing about the cluster; "" when it does."""
    if load is None or load.lag_s <= LAG_MAX_S:
        return ""
    return f"the long-lived load itself was late, by {load.lag_s:.2f} s at worst"
