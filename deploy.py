"""Make every machine of the inventory what inventory.py and group_data/ say.

    pyinfra inventory.py deploy.py        (-y: without asking; --dry: show the plan only)
        --data interrupt=1                also restarts where nobody else could serve
        --data break_lock=1               ends another run that has the machines' lock

What nobody can see from outside happens on all machines at once; what can, at the end, happens
one machine at a time, standbys first, and stops at the first that is not healthy again. (Machines
of which none has ever served have it all at once.)
"""

from pyinfra import host

import settings
from tasks import bird, handover, keepalived, metrics, nginx, sysv, watch
from tasks.change import deploy_record, removal, turns
from tasks.change.routed import former_spread, routed_turns
from tasks.machine import (
    account,
    clock,
    firewall,
    limits,
    packages,
    replaced,
    selinux,
    service_state,
    survey,
)
from tasks.nginx import sites

node, cluster = settings.of(host)
machine = survey.of(host)
build = nginx.all_steps(host)[host.name]
run = deploy_record.this_run("deploy")
# What says where the VIP is.
speaker = bird if node.routed else keepalived

deploy_record.begin(run, replaced.keep(removal.footprints(node)))
removal.remove_left_overs(node)
metrics.configure(node, cluster, machine)
installed = packages.install(node, machine, build.packages, compiler=build.compiles)
account.create()
nginx.install_build(node, machine, build)
service_state.install_tools()
deploy_record.install()
listens = nginx.vips_listened_on(node, cluster)
limits.configure(node, cluster, nginx.workers(node, machine), listens)
sites.upload(node)
nginx.stage(node, cluster, machine)
sites.serve(node)
watch.configure(node, cluster, machine)
handover.configure(node, cluster, machine)
speaker.stage(node, cluster, machine)
sysv.configure(node, cluster, machine)
let_in = firewall.openings(node, cluster)
firewall.open_ports(let_in, cluster)
selinux.configure(machine)
clock.synchronise(node, machine)

groups = turns.groups(cluster, survey.all_machines(host))
at_once = len(groups[0]) > 1
words = turns.words(node)
turns.ask_ahead(
    node,
    cluster,
    speaker.SERVICE,
    *(() if node.classic else (handover.SERVICE, watch.SERVICE)),
    *(metrics.SERVICES if node.metrics else ()),
    groups=groups,
)
routed_turns.end_cut_off(name="A drain that was cut off ends", node=node, cluster=cluster)
for its in turns.of_each(groups):
    former_spread.give_up(
        node=node, cluster=cluster, **its("withdraws an address that the inventory has no more")
    )
    former_spread.forget(node=node, **its("what another profile has left goes"))
    if not node.classic:
        # First: whatever moves the address afterwards may then count on it.
        service_state.run_installed(
            service=handover.SERVICE,
            healthy=handover.READY,
            **its("the hand-over runs what is installed"),
        )
    turns.release_vip(node=node, cluster=cluster, **its(words.leaves))
    nginx.apply(**its("nginx runs what is staged"))
    if not node.classic:
        service_state.run_installed(
            service=watch.SERVICE,
            healthy=watch.NGINX_TRUSTED,
            **its("the watch runs what is installed"),
        )
    speaker.apply(node=node, cluster=cluster, **its(f"{speaker.SERVICE.name} runs what is staged"))
    turns.take_vip_back(node=node, cluster=cluster, **its(words.returns))
    if at_once and not node.routed:
        turns.wait_for_first_vip(node=node, cluster=cluster, **its("the VIP is held"))

deploy_record.end(run, node, cluster, machine=machine)
sites.remove_old(node)
firewall.close_unwanted(let_in)
metrics.run_installed(node, installed)
