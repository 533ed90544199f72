"""How the machines of a routed cluster are: what each announces, and why it does not serve."""

from __future__ import annotations

from typing import NamedTuple

from pyinfra.api import FactBase, Host

import settings
from controller import lock
from tasks.bird import SERVICE
from tasks.bird.withdrawal import SHOW_ANNOUNCED, Announced, announced
from tasks.keepalived import DRAIN_FILE
from tasks.machine import service_state
from tasks.watch import NGINX_TRUSTED

NOT_IN_RUN = "it is not part of this run"


class RoutedStatus(NamedTuple):
    """A machine: what it announces; whether a person, or a deploy, has drained it; and why it could
    not serve, "" if it could."""

    announced: Announced = Announced()
    drained: bool = False
    turned: bool = False
    trouble: str = "it does not answer"

    @property
    def idle(self) -> str:
        """Why routers send it nothing, in words; "" if they do."""
        if self.announced.serves:
            return ""
        if self.trouble:
            return self.trouble
        if self.drained:
            return f"it is drained ({DRAIN_FILE} is there)"
        if self.turned:
            return f"a deploy has drained it ({lock.DRAIN} is there)"
        if not self.announced.sessions:
            return "no router has a session with it: birdc show protocols"
        behind = "behind all others only" if self.announced.protocols else "nothing"
        return f"it announces {behind}: journalctl -u tandem-watch says why"


class RoutedStatusFact(FactBase[RoutedStatus]):
    """The `RoutedStatus`, in one round trip."""

    default = RoutedStatus

    def command(self, http_port: int) -> str:
        return (
            f"{SHOW_ANNOUNCED}; "
            f"test -e {DRAIN_FILE} && echo drained; "
            f"test -e {lock.DRAIN} && echo turned; "
            f"{service_state.MANAGER} is-active -q {SERVICE.name} || "
            "echo 'trouble BIRD does not run there'; "
            f"curl -qfs --noproxy '*' -o /dev/null --max-time 2 "
            f"http://127.0.0.1:{http_port}/tandem-health || "
            "echo 'trouble nginx does not answer there'; "
            f"{NGINX_TRUSTED} || echo 'trouble its nginx has failed and is not trusted yet'; "
            # A fact without any output is taken for the default.
            "echo seen"
        )

    def process(self, output: list[str]) -> RoutedStatus:
        trouble = (line.removeprefix("trouble ") for line in output if line.startswith("trouble "))
        return RoutedStatus(
            announced=announced(output),
            drained="drained" in output,
            turned="turned" in output,
            trouble=next(trouble, ""),
        )


def arguments(host: Host) -> dict[str, object]:
    """The arguments of `RoutedStatusFact` for a host."""
    return {"http_port": settings.of(host)[0].http_port}


def of_others(host: Host, names: list[str]) -> dict[str, RoutedStatus]:
    """How other machines are now."""
    others = {name: host.inventory.get_host(name) for name in names}
    return {
        name: other.get_fact(RoutedStatusFact, **arguments(other))
        if other in host.state.active_hosts
        else RoutedStatus(trouble=NOT_IN_RUN)
        for name, other in others.items()
    }


def told(others: dict[str, RoutedStatus]) -> str:
    """Why none of them serves, in words."""
    return "; ".join(f"{name}: {status.idle}" for name, status in others.items()) or "none is there"
