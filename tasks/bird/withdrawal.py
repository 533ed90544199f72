"""What a machine announces to its routers: shell that asks BIRD, or waits until it has changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pyinfra.api import FactBase

from tasks.machine import service_state

# One that hangs (SIGSTOP, a debugger) takes the connection and never answers: it announces nothing.
_PROTOCOLS = "timeout 2 /usr/sbin/birdc -s /run/bird/bird.ctl show protocols 2>/dev/null"
# Prints a line for each protocol by which the VIP is announced, and for each session that is there.
SHOW_ANNOUNCED = (
    f'{_PROTOCOLS} | awk \'$1 ~ /^vip_/ && $4 == "up" {{ print "announces", $1 }} '
    '/Established/ { print "session", $1 }\''
)
SERVES, YIELDS = "vip_serves", "vip_yields"
# What the watch does first is over by then: the VIP is announced behind all others for a second.
YIELDS_S = 3


class Announced(NamedTuple):
    """By which protocols a machine announces the VIP, and the sessions that it has for that."""

    protocols: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()

    @property
    def heard(self) -> bool:
        """Whether routers are told anything: behind all others, too, it may be the only one."""
        return bool(self.sessions and self.protocols)

    @property
    def serves(self) -> bool:
        """Whether routers send it its share."""
        return bool(self.sessions) and any(each.startswith(SERVES) for each in self.protocols)


def announced(output: Iterable[str]) -> Announced:
    """What lines say, among which are those of `SHOW_ANNOUNCED`."""
    lines = list(output)
    return Announced(_named(lines, "announces"), _named(lines, "session"))


class AnnouncedFact(FactBase[Announced]):
    """What a machine announces, in one round trip."""

    default = Announced

    def command(self) -> str:
        return f"{SHOW_ANNOUNCED}; true"

    def process(self, output: list[str]) -> Announced:
        return announced(output)


def _named(output: Iterable[str], word: str) -> frozenset[str]:
    return frozenset(line.split()[1] for line in output if line.startswith(f"{word} "))


def wait_until_withdrawn(name: str, seconds: int) -> str:
    """Shell that waits until the machine `name` announces nothing, or only behind all others, as it
    goes on to where it finds that nobody else serves; and fails after that."""
    gone = f"! {SHOW_ANNOUNCED} | grep -q 'announces {SERVES}'"
    nothing = f"! {SHOW_ANNOUNCED} | grep -q announces"
    left = f"for try in $(seq {YIELDS_S * 10}); do {nothing} && break; sleep 0.1; done"
    return _wait(name, seconds, f"{gone} && {{ {left}; }}", "still announced")


def wait_until_announced(name: str, seconds: int, sessions: int = 1) -> str:
    """Shell that waits until the machine `name` announces the VIP as one that serves, to so many
    routers; and fails after that."""
    enough = f"[ $(echo \"$said\" | grep -c '^session') -ge {sessions} ]"
    serves = f"echo \"$said\" | grep -q '^announces {SERVES}'"
    wish = f"said=$({SHOW_ANNOUNCED}) && {serves} && {enough}"
    return _wait(name, seconds, wish, f"not announced to {sessions} routers")


def _wait(name: str, seconds: int, wish: str, so: str) -> str:
    return (
        # By its uptime: somebody may set the clock meanwhile, and an answer takes its time.
        "now() { read -r now _ </proc/uptime; now=${now%%.*}; }; "
        f"now; end=$((now + {seconds})); "
        f"while :; do {wish} && exit 0; now; [ $now -lt $end ] || break; sleep 0.1; done; "
        f"echo 'the VIP is {so} by {name} after {seconds} s' >&2; "
        f"{service_state.MANAGER} log tandem-watch >&2; exit 1"
    )
