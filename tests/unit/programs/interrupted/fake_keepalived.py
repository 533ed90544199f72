"""Run by a Python that is called keepalived: answers signals as keepalived does.

Its configuration is one word: backup, master or fault is the state that it has with it, `dies` ends
it. Its clock is its own, and no step of the machine's moves it.
"""

import json
import os
import signal
import sys
import time

home, ahead_s = sys.argv[1], float(sys.argv[2])
STATES = {"backup": 1, "master": 2, "fault": 3}
asked = {"reads": True, "tells": False}


def note(name: str) -> None:
    asked[name] = True


signal.signal(signal.SIGHUP, lambda *_: note("reads"))
signal.signal(signal.SIGRTMIN + 2, lambda *_: note("tells"))
vrrp = os.fork()
if not vrrp:
    while os.getppid() != 1:
        time.sleep(0.2)
    sys.exit()
with open(f"{home}/keepalived.pid", "w") as file:
    file.write(f"{os.getpid()}\n")
state, since = 0, 0.0
while os.path.isdir(home):
    if asked["tells"]:
        asked["tells"] = False
        data = {"iname": "VI_1", "state": state, "last_transition": since}
        with open(f"{home}/keepalived.json", "w") as file:
            json.dump([{"data": data, "stats": {}}], file)
    if asked["reads"]:
        asked["reads"] = False
        time.sleep(0.05)  # a reload is not done when the signal is
        with open(f"{home}/installed") as file:
            word = file.read().strip()
        if word == "dies":
            break
        state, since = STATES[word.partition(" ")[0]], time.time() + ahead_s
        with open(f"{home}/read", "w") as file:
            file.write(word + "\n")
    time.sleep(0.005)
os.kill(vrrp, signal.SIGKILL)
os.remove(f"{home}/keepalived.pid")
