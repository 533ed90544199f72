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
for its in turns.one_by_one(turns.order(cluster, machines)):
    turns.release_vip(
        node=node, cluster=cluster, **its("gives the VIP away before it is restarted")
    )
    nginx.apply(**its("nginx runs the previous generation"))
    turns.take_vip_back(node=node, cluster=cluster, **its("may hold the VIP again"))

python.call(
    name="What comes next",
    function=logger.warning,
    msg="The inventory still asks for the newer one: the next deploy would bring it back. "
    "Change the setting, or the snippet, first.",
    _run_once=True,
)
