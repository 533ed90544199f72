"""The watch's command line and its loop."""

import argparse
import contextlib
import os
import signal
import time

from common.health_request import problem
from common.journal import say
from common.machine_files import read
from common.timing import in_real_time
from watch.nginx_master import NginxMaster
from watch.nginx_trial import NginxTrial, must_write
from watch.other_nodes import OtherNodes
from watch.stuck_keepalived import stuck_processes


def write_in_place(path, value):
    """Write one digit in place: keepalived takes an empty file for a 0."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, b"%d\n" % value)
    finally:
        os.close(descriptor)


def main():
    parser = argparse.ArgumentParser(description="Tell keepalived whether this node may serve.")
    parser.add_argument("--vip", required=True, help="the address that moves")
    parser.add_argument("--interface", default="", help="where it is held")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--other", action="append", default=[], help="another node's address")
    parser.add_argument("--interval", type=float, required=True, help="seconds between requests")
    parser.add_argument("--timeout", type=float, required=True, help="seconds for an answer")
    parser.add_argument("--misses", type=int, required=True, help="requests without answer")
    parser.add_argument("--trial", type=float, required=True, help="seconds before trust returns")
    parser.add_argument("--directory", default="/run/tandem")
    given = parser.parse_args()
    failed = os.path.join(given.directory, "failed")
    last_resort = os.path.join(given.directory, "last-resort")
    in_real_time()
    trial = NginxTrial(given.misses, given.trial)
    if read(failed) == "0" and read(last_resort) == "0":
        trial.dead = False  # this program was restarted beside an nginx that serves
    others = OtherNodes(
        given.vip, given.other, given.port, given.misses, given.timeout, given.interface
    )
    master = NginxMaster()
    last_verdict = None
    stuck_before = []
    gone = False
    while True:
        began_s = time.monotonic()
        master.follow()
        trusted = not trial.dead
        if trusted and gone:
            write_in_place(failed, 1)  # at once; the other nodes are asked afterwards
        ended = trusted and read(failed) == "1"
        answers = not problem("127.0.0.1", given.port, given.timeout)
        trial.observe(time.monotonic(), answers, ended)
        if trusted and trial.dead:
            write_in_place(failed, 1)
        others_serve = trial.dead and others.serve(trial.on_trial)
        verdict = trial.judge(time.monotonic(), others_serve)
        if must_write(verdict, last_verdict, (read(failed), read(last_resort))):
            # Never both 0 on the way from one to the other.
            values = ((failed, verdict[0]), (last_resort, verdict[1]))
            for path, value in sorted(values, key=lambda pair: -pair[1]):
                write_in_place(path, value)
        if verdict != last_verdict:
            say("failed={} last-resort={}".format(*verdict))
            last_verdict = verdict
        stuck = stuck_processes()
        if stuck and stuck == stuck_before:
            say("keepalived cannot let go of the address: killed")
            for pid in stuck:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        stuck_before = stuck
        gone = False
        if answers or trial.dead:
            gone = master.wait(max(0.01, given.interval - (time.monotonic() - began_s)))
