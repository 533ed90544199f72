"""Go back to the nginx (binary, unit, configuration) that was in service before the last change.

    pyinfra inventory.py rollback.py      (-y: without asking)

One machine at a time, the standby first, without losing a connection. Where a deploy has stopped
half way, that deploy is undone. A second rollback goes forward again.
"""

from pyinfra import host, logger
from pyinfra.operations import python

import settings
from tasks.change import turns
from tasks.machine import survey
from tasks.nginx import service

node, cluster = settings.of(host)
machines = survey.everyone(host)

service.stage_previous(cluster)

turns.ahead(node, cluster, "keepalived")
for turn in host.loop(turns.order(cluster, machines)):  # type: ignore[no-untyped-call]

    def mine(turn: settings.Node = turn) -> bool:
        return turn.name == host.name

    turns.begun(
        name=f"{turn.name}: gives the VIP away before it is restarted",
        node=node,
        cluster=cluster,
        _if=mine,
    )
    service.in_service(name=f"{turn.name}: nginx runs the previous generation", _if=mine)
    turns.ended(name=f"{turn.name}: may hold the VIP again", node=node, cluster=cluster, _if=mine)


def remind() -> None:
    logger.warning(
        "The inventory still asks for the newer one: the next deploy would bring it back. "
        "Change the setting, or the snippet, first."
    )


python.call(name="What comes next", function=remind, _run_once=True)
