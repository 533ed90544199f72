"""What a machine announces to its routers: shell that asks BIRD, or waits until it has changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyinfra.api import FactBase

from tasks.machine import service_state

_PROTOCOLS = "/usr/sbin/birdc -s /run/bird/bird.ctl show protocols 2>/dev/null"
# Prints a line for each protocol by which the VIP is announced, and for each session that is there.
SHOW_ANNOUNCED = (
    f'{_PROTOCOLS} | awk \'$1 ~ /^vip_/ && $4 == "up" {{ print "announces", $1 }} '
    '/Established/ { print "session", $1 }\''
)
SERVES, YIELDS = "vip_serves", "vip_yields"


class Announced(NamedTuple):
    """By which protocols a machine announces the VIP, and the sessions that it has for that."""

    protocols: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()

    @property
    def serves(self) -> bool:
        """Whether routers send it its share."""
        return bool(self.sessions) and any(each.startswith(SERVES) for each in self.protocols)


class AnnouncedFact(FactBase[Announced]):
    """What a machine announces, in one round trip."""

    default = Announced

    def command(self) -> str:
        return f"{SHOW_ANNOUNCED}; true"

    def process(self, output: list[str]) -> Announced:
        return Announced(_named(output, "announces"), _named(output, "session"))


def _named(output: Iterable[str], word: str) -> frozenset[str]:
    return frozenset(line.split()[1] for line in output if line.startswith(f"{word} "))


def wait_until_withdrawn(name: str, seconds: int) -> str:
    """Shell that waits until the machine `name` announces nothing, or only behind all others, where
    nobody else serves; and fails after that."""
    return _wait(name, seconds, f"! {SHOW_ANNOUNCED} | grep -q 'announces {SERVES}'", "still")


def wait_until_announced(name: str, seconds: int) -> str:
    """Shell that waits until the machine `name` announces the VIP as one that serves."""
    return _wait(name, seconds, f"{SHOW_ANNOUNCED} | grep -q 'announces {SERVES}'", "not")


def _wait(name: str, seconds: int, wish: str, so: str) -> str:
    return (
        f"for try in $(seq {seconds * 10}); do {wish} && exit 0; sleep 0.1; done; "
        f"echo 'the VIP is {so} announced by {name} after {seconds} s' >&2; "
        f"{service_state.MANAGER} log tandem-watch >&2; exit 1"
    )
