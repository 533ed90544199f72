"""Go back to the nginx (binary, unit, configuration) that was in service before the last change.

    pyinfra inventory.py rollback.py      (-y: without asking)

One machine at a time, the standby first, without losing a connection. Where a deploy has stopped
half way, that deploy is undone. A second rollback goes forward again.
"""

from pyinfra import host, logger
from pyinfra.operations import python

import settings
from tasks import keepalived, nginx
from tasks.change import turns
from tasks.machine import survey

node, cluster = settings.of(host)
machines = survey.all_machines(host)

nginx.stage_previous(cluster)

turns.ask_ahead(node, cluster, keepalived.SERVICE)
for turn in host.loop(turns.order(cluster, machines)):  # type: ignore[no-untyped-call]

    def its_turn(turn: settings.Node = turn) -> bool:
        return turn.name == host.name

    turns.release_vip(
        name=f"{turn.name}: gives the VIP away before it is restarted",
        node=node,
        cluster=cluster,
        _if=its_turn,
    )
    nginx.apply(name=f"{turn.name}: nginx runs the previous generation", _if=its_turn)
    turns.take_vip_back(
        name=f"{turn.name}: may hold the VIP again", node=node, cluster=cluster, _if=its_turn
    )


def remind() -> None:
    logger.warning(
        "The inventory still asks for the newer one: the next deploy would bring it back. "
        "Change the setting, or the snippet, first."
    )


python.call(name="What comes next", function=remind, _run_once=True)
