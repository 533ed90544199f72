"""Move the VIP on purpose, losing nothing, and wait until it is where it should be.

pyinfra inventory.py switchover.py           (-y: without asking)
    --data to=HOST                           HOST holds the VIP from now on
    --data drain=HOST                        HOST gives it away, for work on that machine
    --data undrain=HOST                      HOST's drain is over
    --data wait=SECONDS                      with drain=, also until no connection lives there
    --data break_lock=1                      ends another run that has the machines' lock

Where every machine has the VIP (spread = "bgp"), drain= withdraws it there, and there is no to=.
"""

from pyinfra import host

import settings
from tasks.change import deploy_record, vip_move
from tasks.change.routed import routed_drains

node, _ = settings.of(host)
deploy_record.tell_syslog("switchover")
if node.routed:
    routed_drains.carry_out(host)
else:
    vip_move.carry_out(host)
