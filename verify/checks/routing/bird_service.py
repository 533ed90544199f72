"""RT: does BIRD run, with the configuration that the settings ask for?"""

from __future__ import annotations

from verify.checks.check import (
    Answer,
    Here,
    agrees,
    fails,
    faultless,
    holds,
    holds_if,
    on_host,
)
from verify.checks.premises import (
    announces_vip,
    bird_configured,
    bird_installed,
    bird_running,
)
from verify.checks.routing.wanted_configuration import otherwise
from verify.observe.routing.bird_probes import BIRD, session
from verify.read.machine_view import RUNNING

# A file's time and BIRD's are rounded otherwise.
ROUNDED_S = 0.01


@on_host(
    "RT-01",
    "BIRD's unit is enabled and active, and is restarted",
    reads=("units",),
    needs=(announces_vip,),
    settles=True,
    reason="Without BIRD no router knows of this machine: the others have all its clients. One "
    "that nobody starts again is missing until somebody notices.",
    remedy="systemctl enable --now bird; if it does not start: journalctl -u bird. Run deploy.py "
    "where its unit does not restart it.",
)
def unit(here: Here) -> Answer:
    state = here.machine.service(BIRD)
    if state != RUNNING:
        return fails(expected=RUNNING, actual=state)
    return agrees(expected="always", actual=here.machine.unit(BIRD)["Restart"])


@on_host(
    "RT-02",
    "BIRD's configuration exists and is valid",
    reads=("bird_test", "bird_conf"),
    needs=(announces_vip, bird_installed),
    reason="One that has become invalid lets BIRD run until its next start, and then it does not.",
    remedy="bird -p -c /etc/bird/bird.conf names the line. Run deploy.py, which writes it.",
)
def valid(here: Here) -> Answer:
    if not here.machine.bird_configured:
        return fails(expected="valid", actual="there is no bird.conf")
    test = here.machine.told("bird_test")
    said = test.text.strip().splitlines()[-1]
    right = not test.status and said == "valid" and bool(here.machine.bird_conf)
    return holds_if(right, expected="valid", actual=said)


@on_host(
    "RT-03",
    "BIRD's configuration is that of the settings",
    reads=("bird_conf",),
    needs=(announces_vip, bird_configured),
    reason="What BIRD may tell routers, and what it takes from them, its file says: one word more "
    "leaks a route, or puts one into this machine.",
    remedy="Run deploy.py, which writes /etc/bird/bird.conf. What was added to it by hand is lost "
    "then: nothing of a person's own has a place there.",
)
def as_settings_say(here: Here) -> Answer:
    faults = list(otherwise(here.machine.bird_conf, here.node, here.cluster))
    count = len(here.node.routers)
    return faultless(
        faults, expected="the VIPs to these routers, nothing else", found=f"{count} routers"
    )


@on_host(
    "RT-04",
    "each session's password is the inventory's",
    reads=("bird_passwords",),
    needs=(announces_vip, bird_configured),
    reason="With another password than the router's no segment arrives, and neither side says why: "
    "the session is never there.",
    remedy="Run deploy.py: the password comes from where `routers` says (password_file and the "
    "like). If it is right here, the router has another.",
)
def passwords(here: Here) -> Answer:
    found = here.machine.bird_passwords
    routers = here.node.routers
    wanted = {session(number): router for number, router in enumerate(routers, start=1)}
    faults = [
        f"no {name} for {router.address}" for name, router in wanted.items() if name not in found
    ]
    faults += [
        f"{name} ({wanted[name].address}) has another one"
        if name in wanted
        else f"{name} is none of ours"
        for name, same in found.items()
        if not same
    ]
    count = sum(bool(router.password_origins) for router in routers)
    return faultless(
        faults,
        expected="those of the inventory",
        found=f"{count} of {len(routers)} have one, the same",
    )


@on_host(
    "RT-05",
    "BIRD runs what its configuration file says",
    reads=("bird_status",),
    needs=(announces_vip, bird_running, bird_configured),
    reason="A file that was changed but not read takes effect at the worst moment: after a crash.",
    remedy="systemctl reload bird if the change is intended; otherwise run deploy.py.",
)
def runs_file(here: Here) -> Answer:
    status = here.machine.bird_status
    wanted = str(here.node.address)
    if status.router_id != wanted:
        return fails(expected=f"router id {wanted}", actual=f"router id {status.router_id}")
    late_s = status.written - status.read_at
    if late_s > ROUNDED_S:
        actual = f"the file was written {late_s:.0f} s after BIRD has read it last"
        return fails(expected="no change since BIRD has read it", actual=actual)
    return holds(f"router id {wanted}, read since it was written")
