"""RT: does any machine of the cluster say that it serves?"""

from __future__ import annotations

from collections.abc import Sequence

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
    remedy="RT-08 says of each machine why it is not announced, RT-06 why no router hears it. Is "
    "all drained? switchover.py --data undrain=HOST",
)
def somebody_serves(across: Across) -> Answer:
    families = [vip.version for vip in across.cluster.addresses]
    announced = across.by_machine(lambda machine: machine.announced(across.cluster))
    # What BIRD would say counts where a router hears it.
    heard = {
        name: [version for version in families if _is_heard(across, name, version)]
        for name in announced
    }
    missing = [
        version
        for version in families
        if not any(
            version in heard[name]
            and across.machines[name].announced_of(version) is AnnouncedAs.SERVES
            for name in announced
        )
    ]
    if missing and across.silent:
        raise CannotTell("no machine that answered announces the VIP as one that serves")
    shown = {
        name: f"{kind}{_unheard(families, heard[name]) if kind is not AnnouncedAs.NOTHING else ''}"
        for name, kind in announced.items()
    }
    return holds_if(
        not missing,
        expected=f"a machine {AnnouncedAs.SERVES}, with a session",
        actual=across.named(shown),
    )


def _is_heard(across: Across, name: str, version: int) -> bool:
    """Whether a router of that family has a session with the machine."""
    return across.machines[name].tells(
        across.node(name), lambda router: router.address.version == version
    )


def _unheard(families: Sequence[int], heard: Sequence[int]) -> str:
    """The families of which no router hears the machine, if any."""
    if not heard:
        return ", to no router"
    lacking = [f"IPv{version}" for version in families if version not in heard]
    return f", to no router of {lacking[0]}" if lacking else ""
