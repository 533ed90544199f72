"""Go back to what was in service before the last change: nginx, sites, snippets, keepalived.conf.

    pyinfra inventory.py rollback.py      (-y: without asking)
        --data list=1                     which generations there are; no machine is touched
        --data to=ID                      to this one
        --data interrupt=1                also restarts where nobody else could serve
        --data break_lock=1               ends another run that has the machines' lock

One machine at a time, the standby first, without losing a connection; all machines of a cluster to
the same generation. A deploy that has stopped half way is undone.
"""

from pyinfra import host

import settings
from tasks import bird, keepalived, nginx
from tasks.change import deploy_record, rollback_steps, turns
from tasks.machine import survey, units

node, cluster = settings.of(host)
speaker = bird if node.routed else keepalived
# What keeps a deploy from being done does not bar the way back.
machines = survey.all_machines(host, settings.Bars.EVERYTHING)

if settings.options(host.inventory).list:
    rollback_steps.show(host, cluster)
else:
    plan = rollback_steps.plan(host, cluster)
    target, cluster = plan.of(host.name), plan.then(cluster)
    run = deploy_record.this_run("rollback", revision_of=target.revision, to=target.id)
    deploy_record.begin(run)
    nginx.install_program()
    nginx.stage_kept(
        name="nginx: its generation of then staged, and tested by its binary", target=target.nginx
    )
    rollback_steps.restore(
        name="Sites and files of then, keepalived.conf staged",
        generation=target,
        unit=units.path(nginx.SERVICE.name, machines[host.name]),
    )

    groups = [[each] for each in turns.order(cluster, machines)]
    turns.ask_ahead(node, cluster, speaker.SERVICE, groups=groups)
    for its in turns.of_each(groups):
        turns.release_vip(
            node=node, cluster=cluster, **its("gives the VIP away before it is restarted")
        )
        nginx.apply(**its("nginx runs what it ran then"))
        speaker.apply(
            node=node,
            cluster=cluster,
            addresses=target.vips,
            **its(f"{speaker.SERVICE.name} runs what it ran then"),
        )
        turns.take_vip_back(node=node, cluster=cluster, **its("may hold the VIP again"))

    deploy_record.end(run, node, cluster, elsewhere=target.id != plan.machines[host.name].present)
    rollback_steps.conclude(cluster, plan)
