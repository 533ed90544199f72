"""What a machine of a routed cluster answers besides, as values."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cached_property
from itertools import count

from settings import Cluster, Node
from settings.network.routed_settings import Router
from verify.observe.routing.bird_probes import exported, session
from verify.read.answers import NOT_FOUND, Answers, CannotTell, last_line, noun
from verify.read.routing import bird_output, mesh_output
from verify.read.routing.bird_output import BirdProtocol, ExportedRoute


class AnnouncedAs(StrEnum):
    """How a machine says that it can be asked for the VIP."""

    SERVES = "like all that serve"
    YIELDS = "behind all others"
    NOTHING = "not at all"
    MIXED = "differently for each family"


class RoutedAnswers(Answers):
    """BIRD's answers, and those about the mesh."""

    @property
    def bird_installed(self) -> bool:
        return self.told("bird_version").status != NOT_FOUND

    bird_version = noun("bird_version", bird_output.version)
    bird_status = noun("bird_status", bird_output.status)
    bird_conf = noun("bird_conf", bird_output.configuration)
    bird_passwords = noun("bird_passwords", bird_output.passwords)
    kernel_routes = noun("bird_kernel", bird_output.kernel_routes)
    bfd_sessions = noun("bird_bfd", bird_output.bfd_sessions)
    mesh = noun("mesh", mesh_output.mesh)
    mesh_heard = noun("mesh_heard", mesh_output.heard)

    @property
    def bird_configured(self) -> bool:
        """Whether there is a bird.conf, with something in it."""
        output = self.told("bird_conf")
        if output.status and output.text != "there is none":
            raise CannotTell(last_line(output.text))
        return not output.status

    @cached_property
    def protocols(self) -> dict[str, BirdProtocol]:
        """BIRD's protocols, by name."""
        output = self.told("bird_protocols")
        if output.status and output.status != NOT_FOUND:
            why = f"BIRD on {self.name} did not tell its state: {last_line(output.text)}"
            raise CannotTell(why, "RT-01")
        return self.read("bird_protocols", bird_output.protocols)

    def bgp_session(self, number: int) -> BirdProtocol:
        """The session with the node's router of that number, from 1."""
        name = session(number)
        if name not in self.protocols:
            raise CannotTell(f"BIRD on {self.name} has no {name} (RT-03)", "RT-03")
        return self.protocols[name]

    def exported(self, number: int) -> tuple[ExportedRoute, ...]:
        """What that router is told."""
        # birdc fails where the session is down.
        return self.read(exported(number), bird_output.exported, may_fail=True)

    def announced(self, cluster: Cluster) -> AnnouncedAs:
        """How BIRD announces the VIPs of all families."""
        found = {self.announced_of(vip.version) for vip in cluster.addresses}
        return found.pop() if len(found) == 1 else AnnouncedAs.MIXED

    def announced_of(self, version: int) -> AnnouncedAs:
        """The same of the VIP of IPv4, or of IPv6."""
        if self._is_up(f"vip_serves{version}"):
            # Where both are there, this one is told.
            return AnnouncedAs.SERVES
        return AnnouncedAs.YIELDS if self._is_up(f"vip_yields{version}") else AnnouncedAs.NOTHING

    def tells(self, node: Node, whom: Callable[[Router], bool]) -> bool:
        """Whether a session is established with one of the node's routers that are meant."""
        found = self.protocols
        return any(
            name in found and found[name].details.get("BGP state") == bird_output.ESTABLISHED
            for name, router in zip(map(session, count(1)), node.routers, strict=False)
            if whom(router)
        )

    def _is_up(self, name: str) -> bool:
        if name not in self.protocols:
            raise CannotTell(f"BIRD on {self.name} has no {name} (RT-03)", "RT-03")
        return self.protocols[name].is_up

    def second_chance(self, probe: str) -> mesh_output.SecondChance | None:
        """A family's table, None where the machine has no such table."""
        return self.table(probe, mesh_output.second_chance)
