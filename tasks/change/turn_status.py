"""What a machine says of itself before its turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pyinfra.api import FactBase

from controller import lock
from settings import Cluster
from tasks import keepalived
from tasks.keepalived import vips

RUNNING, STAGED = keepalived.SERVICE.configuration, keepalived.SERVICE.staged


class TurnStatus(NamedTuple):
    """The VIPs that a node holds, and whether a deploy has drained it.

    `speaks`: what others have to know of each VIP to hear it, in the running keepalived.conf, and
    `will_speak` in the staged one. `away`: a person has drained it. `ranks`: its VRRP priority for
    each VIP.
    """

    holds: frozenset[str] = frozenset()
    drained: bool = False
    speaks: Mapping[str, str] = {}
    will_speak: Mapping[str, str] = {}
    away: bool = False
    ranks: Mapping[str, int] = {}

    @property
    def unheard(self) -> frozenset[str]:
        """The VIPs for which nodes that run what is staged do not hear those that do not."""
        after = self.will_speak
        return frozenset(vip for vip, now in self.speaks.items() if after.get(vip, now) != now)


class TurnStatusFact(FactBase[TurnStatus]):
    """The `TurnStatus`, in one round trip."""

    default = TurnStatus

    def command(self, held: tuple[str, ...]) -> str:
        return (
            f"{vips.show_held(held)}; "
            f"test -e {lock.DRAIN} && echo drained; "
            f"test -e {keepalived.DRAIN_FILE} && echo away; "
            f"{vips.show_speech(RUNNING, 'speaks')} 2>/dev/null; "
            f"{vips.show_speech(STAGED, 'will-speak')} 2>/dev/null; "
            f"{vips.RANKS} {RUNNING} 2>/dev/null; true"
        )

    def process(self, output: list[str]) -> TurnStatus:
        return TurnStatus(
            holds=vips.held(output),
            drained="drained" in output,
            speaks=vips.told_speech(output, "speaks"),
            will_speak=vips.told_speech(output, "will-speak"),
            away="away" in output,
            ranks=vips.ranks(output),
        )


def turn_arguments(cluster: Cluster) -> dict[str, object]:
    """The arguments of `TurnStatusFact`."""
    return {"held": vips.of(cluster)}
