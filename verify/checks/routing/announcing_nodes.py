"""RT: does any machine of the cluster say that it serves?"""

from __future__ import annotations

from verify.checks.check import Across, Answer, holds_if, in_cluster
from verify.checks.premises import all_have_vip, bird_somewhere
from verify.read.machine_view import CannotTell
from verify.read.routing.routed_answers import AnnouncedAs


@in_cluster(
    "RT-17",
    "some machine announces the VIP as one that serves",
    reads=("bird_protocols",),
    needs=(all_have_vip, bird_somewhere),
    settles=True,
    reason="Where none does, routers know of no machine at all, or only of such as are about to "
    "go: the site is down, or the next fault takes it down.",
    remedy="RT-08 says of each machine why it is not announced. Is all drained? switchover.py "
    "--data undrain=HOST",
)
def somebody_serves(across: Across) -> Answer:
    announced = across.by_machine(lambda machine: machine.announced(across.cluster))
    serving = [name for name, kind in announced.items() if kind is AnnouncedAs.SERVES]
    if not serving and across.silent:
        raise CannotTell("no machine that answered announces the VIP as one that serves")
    return holds_if(
        bool(serving),
        expected=f"a machine {AnnouncedAs.SERVES}",
        actual=across.named({name: str(kind) for name, kind in announced.items()}),
    )
