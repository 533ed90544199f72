"""Move the VIP on purpose, losing nothing, and wait until it is where it should be.

pyinfra inventory.py switchover.py           (-y: without asking)
    --data to=HOST                           HOST holds the VIP from now on
    --data drain=HOST                        HOST gives it away, for work on that machine
    --data undrain=HOST                      HOST's drain is over
    --data wait=SECONDS                      with drain=, also until no connection lives there
    --data break_lock=1                      ends another run that has the machines' lock
"""

from pyinfra import host

from tasks.change import deploy_record, vip_move

plan = vip_move.plan(host)

deploy_record.tell_syslog("switchover")
vip_move.end_drains(name="Switch-over: end drains", plan=plan)
vip_move.begin_drains(name="Switch-over: drain", plan=plan)
vip_move.wait_for_vips(
    name="Switch-over: wait until the VIP is where it should be",
    plan=plan,
    # What is drained for the move alone is not left so: then the next step fails.
    _ignore_errors=bool(plan and plan.for_now),
)
vip_move.end_passing_drains(name="Switch-over: end what was drained for the move alone", plan=plan)
vip_move.wait_for_connections(
    name="Switch-over: wait until no connection lives on it any more", plan=plan
)
vip_move.report(plan)
