"""The watch's command line and its loop."""

import os
import time

from common.command_options import parse
from common.journal import say
from common.machine_files import read
from common.timing import in_real_time
from common.watchdog import Watchdog
from watch.announcement import NOTHING, SERVES, Drain, announced_as
from watch.bird_routes import BirdRoutes
from watch.nginx_health import NginxHealth
from watch.nginx_master import NginxMaster
from watch.nginx_trial import NginxTrial, must_write
from watch.other_nodes import OtherNodes
from watch.premises.node_premises import NodePremises
from watch.serving_nodes import ServingNodes
from watch.stuck_keepalived import OutlivedKeepalived, end_stuck, stuck_processes

# Whoever has just got its link or address back may not reach the others yet: that they do not
# answer means nothing for so long.
SETTLES_S = 1.0


def write_in_place(path, value):
    """Write one digit in place: keepalived takes an empty file for a 0."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as file:
        file.write(b"%d\n" % value)


OPTIONS = {
    "--vip": {"required": True, "help": "the address that moves"},
    "--interface": {"default": "", "help": "where it is held"},
    "--own": {
        "action": "append",
        "default": [],
        "help": "this node's address by which the others reach it; @INTERFACE behind it: where "
        "that is, if it is another",
    },
    "--peer": {"action": "append", "default": [], "help": "another node's, likewise"},
    "--grace": {"type": float, "default": 0.1, "help": "seconds that --own may be missing"},
    "--port": {"required": True, "type": int},
    "--other": {"action": "append", "default": [], "help": "another node's address"},
    "--interval": {"required": True, "type": float, "help": "seconds between requests"},
    "--timeout": {"required": True, "type": float, "help": "seconds for an answer"},
    "--misses": {"required": True, "type": int, "help": "requests without answer"},
    "--trial": {"required": True, "type": float, "help": "seconds before trust returns"},
    "--directory": {"default": "/run/tandem"},
    "--bird": {"default": "", "help": "BIRD's control socket: it announces the address"},
    "--drain": {"action": "append", "default": [], "help": "a file that drains this node (--bird)"},
    "--graceful": {"type": float, "default": 1.0, "help": "seconds behind all others before that"},
}


def main():
    given = parse("Tell keepalived whether this node may serve.", OPTIONS)
    failed = os.path.join(given.directory, "failed")
    last_resort = os.path.join(given.directory, "last-resort")
    announced = os.path.join(given.directory, "announced")
    in_real_time()
    trial = NginxTrial(given.misses, given.trial)
    if read(failed) == "0" and read(last_resort) == "0":
        trial.dead = False  # this program was restarted beside an nginx that serves
    others = OtherNodes(
        *(given.vip, given.other, given.port, given.misses, given.timeout, given.interface),
        routed=bool(given.bird),
    )
    overload = os.path.join(given.directory, "overload")
    health = NginxHealth(given.port, given.timeout, overload, serves=not trial.dead)
    kind = ("router",) if given.bird else ()
    premises = NodePremises(given.interface, given.own, given.peer, given.grace, *kind)
    keepalived = OutlivedKeepalived()
    routes = BirdRoutes(given.bird) if given.bird else None
    serving = ServingNodes() if given.bird else None
    drain = Drain(given.drain, os.path.exists)
    master = NginxMaster(others=premises.news())
    last_verdict = None
    stuck_before = []
    gone = False
    lacked_s = float("-inf")
    watchdog = Watchdog()

    def leave():
        """Whatever else there is to ask comes afterwards."""
        if routes:
            routes.want(NOTHING)
        write_in_place(failed, 1)

    while True:
        watchdog.goes_on()
        began_s = time.monotonic()
        master.follow()
        trusted = not trial.dead
        if trusted and gone:
            leave()
        missing = premises.missing()
        # What is good enough for some yields by its priority, and is out once another has the VIP.
        limited = bool(missing) and premises.serves_neighbours
        if trusted and missing and not limited:
            leave()
        ended = trusted and read(failed) == "1"
        answers = health.answers() and not master.only_workers
        trial.observe(time.monotonic(), answers, ended, bool(missing))
        if trusted and trial.dead and not (limited and answers):
            leave()
            last_verdict = None  # judged in this round: the 1 is no news any more
        # Without its premises it is nobody's last resort, and nobody can be asked from here.
        if missing:
            lacked_s = time.monotonic()
        settles = not missing and time.monotonic() - lacked_s < SETTLES_S
        if limited and answers:
            others_serve = trial.dead and others.have_vip()
        else:
            others_serve = trial.dead and (bool(missing) or others.serve(trial.on_trial, settles))
        verdict = trial.judge(time.monotonic(), others_serve)
        if must_write(verdict, last_verdict, (read(failed), read(last_resort))):
            # Never both 0 on the way from one to the other.
            values = ((failed, verdict[0]), (last_resort, verdict[1]))
            for path, value in sorted(values, key=lambda pair: -pair[1]):
                write_in_place(path, value)
        if verdict != last_verdict:
            say("failed={} last-resort={}".format(*verdict))
            last_verdict = verdict
        if routes:
            drained_s = drain.lasts_s(time.monotonic())
            replaced = serving.any(time.monotonic())
            routes.want(announced_as(verdict, trial.on_trial, drained_s, replaced, given.graceful))
            routes.go_on()
            # For the hand-over, which tells the other nodes.
            serves = str(int(routes.wanted == SERVES and routes.sessions > 0))
            if read(announced) != serves:
                write_in_place(announced, int(serves))
            master.others = premises.news() + routes.news()
        else:
            stuck = stuck_processes()
            if stuck and stuck == stuck_before and end_stuck(stuck):
                say("keepalived cannot let go of the address: killed")
            stuck_before = stuck
            keepalived.end_if(premises.history)
        gone = False
        if answers or trial.dead:
            pause_s = given.interval - (time.monotonic() - began_s)
            gone = master.wait(max(0.01, min(pause_s, premises.until_judged_s())))
