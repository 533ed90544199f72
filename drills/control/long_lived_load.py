"""The long-lived load: the file on every node, and the process that downloads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drills.clients.long_lived import MIB, SEED, LongLivedSpec
from drills.clients.prober import ProberSpec
from drills.clients.stream_sessions import StreamSpec
from drills.control import self_undo
from drills.control.cluster_control import ClusterControl
from drills.control.faults import Fault
from drills.control.processes.child_process import ChildProcess
from drills.results import Kind, LongLived
from settings import Cluster
from settings.serving.front_settings import FOR_ITSELF
from settings.serving.proxy import DRILL_PATH
from settings.serving.streams import Stream

FILE = f"/usr/html{DRILL_PATH}"
SIZE = 64 * MIB
# Where routers spread them: so many clients, and each no more than two processors have room for.
ROUTED = {"keep_alives": 50, "every_s": 0.25, "downloads": 20, "bytes_per_s": 2 * MIB}
# Through each stream.
SESSIONS = 3
# A disk that is nearly full is not made full by a drill.
SPARE = 256 * MIB
# The nodes remove the file after this time, should the controller die.
LONGEST_S = 1800
# When it is late by more, what seems to hang is this process, which did not get its CPU.
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
# No fault, but undone like one, when the last download has ended.
_BROUGHT = Fault(
    "download", "a file to download", _MAKE, f"rm -f {FILE} {FILE}.new", shown=False, lasting=True
)


def make_file(control: ClusterControl) -> None:
    """Make the same file on every node, unless it is there. Raises `MachineError`.

    What takes a node away before the load begins does this first.
    """
    if any(applied.fault is _BROUGHT for applied in control.undo_log.entries):
        return
    for node in control.cluster.nodes:
        control.at_end(_BROUGHT, node)
    script = self_undo.inject(_BROUGHT.key, _BROUGHT.do, _BROUGHT.undo, LONGEST_S)
    control.machines.everywhere(script, timeout_s=MAKE_TIMEOUT_S)


def load_spec(cluster: Cluster, prober: ProberSpec) -> LongLivedSpec:
    """The load beside that prober, from the same addresses."""
    more: dict[str, Any] = ROUTED if cluster.routed else {}
    return LongLivedSpec(
        sources=prober.sources,
        pages=prober.pages,
        **more,
        address=str(cluster.vip.ip),
        port=cluster.preferred.served_port,
        tls=cluster.preferred.tls,
        opening=cluster.preferred.opening,
        path=cluster.preferred.drill_path,
        page=cluster.preferred.page_path,
        longest_s=LONGEST_S,
        size=SIZE,
        streams=tuple(_stream(cluster, each) for each in cluster.preferred.streams if each.is_tcp),
    )


def _stream(cluster: Cluster, stream: Stream) -> StreamSpec:
    return StreamSpec(
        address=str(cluster.vip.ip),
        port=stream.listen,
        opening=FOR_ITSELF if stream.accept_proxy_protocol else "",
        name=stream.name,
        tls=bool(stream.tls),
        sessions=min(SESSIONS, stream.connections or SESSIONS),
    )


class LongLivedProcess(ChildProcess):
    """Connections and downloads that go on. All of them have begun when this returns."""

    def __init__(self, spec: LongLivedSpec):
        self._finish_s = spec.finish_s
        self._ended: list[LongLived] = []
        super().__init__("the long-lived load", "drills.clients.long_lived", spec.to_json())
        self._wait_for("ready")

    def _row(self, row: list[Any]) -> None:
        kind, *more = row
        self._ended.append(LongLived(Kind(kind), *more))

    def finished(self, t0: float) -> tuple[LongLived, ...]:
        """Let the downloads end; every connection there was, in seconds since `t0`."""
        self.stop(self._finish_s + 10)
        later_s = self.said["t0"] - t0
        shifted = (
            replace(
                work, from_s=round(work.from_s + later_s, 4), to_s=round(work.to_s + later_s, 4)
            )
            for work in self._ended
        )
        return tuple(sorted(shifted, key=lambda work: (work.kind, work.from_s)))

    def void(self) -> str:
        """Why nothing about the cluster follows from this load; "" when something does."""
        if (lag_s := self.said["lag_s"]) <= LAG_MAX_S:
            return ""
        return f"the long-lived load itself was late, by {lag_s:.2f} s at worst"
