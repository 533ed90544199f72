"""What each verb of nginx's init script exits with, in each situation it can be asked in."""

from __future__ import annotations

SCRIPT = "/etc/init.d/nginx"


VERBS = (
    *("start", "stop", "status", "restart", "condrestart", "try-restart"),
    *("reload", "force-reload", "configtest", "upgrade"),
)


MASTER = "$(cat /run/nginx/nginx.pid)"


CONF = "/etc/nginx/nginx.conf"


BREAK = f"cp -a {CONF} /root/nginx.conf; echo nonsense >>{CONF}"


MEND = f"cp -a /root/nginx.conf {CONF}"


HIDE_BINARY, SHOW_BINARY = "mv /usr/sbin/nginx /root/nginx", "mv /root/nginx /usr/sbin/nginx"


HIDE_CONF, SHOW_CONF = f"mv {CONF} /root/nginx.conf", f"mv /root/nginx.conf {CONF}"


START, STOP = f"{SCRIPT} start", f"{SCRIPT} stop"


# How a situation is made out of a running nginx, and undone.
SITUATIONS = {
    "running": ("true", "true"),
    "stopped": (STOP, "true"),
    "killed": (f"p={MASTER}; kill -9 $p; tail --pid=$p -s 0.02 -f /dev/null", "true"),
    "running, configuration broken": (BREAK, MEND),
    "stopped, configuration broken": (f"{STOP}; {BREAK}", MEND),
    "running, no binary": (HIDE_BINARY, SHOW_BINARY),
    "stopped, no binary": (f"{STOP}; {HIDE_BINARY}", SHOW_BINARY),
    "running, no configuration": (HIDE_CONF, SHOW_CONF),
    "stopped, no configuration": (f"{STOP}; {HIDE_CONF}", SHOW_CONF),
}


# In the order of VERBS. docs/sysv.md shows the same.
EXITS = {
    "running": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "stopped": (0, 0, 3, 0, 0, 0, 7, 7, 0, 7),
    "killed": (0, 0, 1, 0, 0, 0, 7, 7, 0, 7),
    "running, configuration broken": (0, 0, 0, 1, 1, 1, 1, 1, 1, 1),
    "stopped, configuration broken": (1, 0, 3, 1, 0, 0, 7, 7, 1, 7),
    "running, no binary": (0, 0, 0, 5, 5, 5, 5, 5, 5, 5),
    "stopped, no binary": (5, 0, 3, 5, 0, 0, 7, 7, 5, 7),
    "running, no configuration": (0, 0, 0, 6, 6, 6, 6, 6, 6, 6),
    "stopped, no configuration": (6, 0, 3, 6, 0, 0, 7, 7, 6, 7),
}


RUNS_AFTER = {
    # Whatever fails leaves what runs as it is; what is started runs.
    situation: tuple(
        verb != "stop"
        and (situation.startswith("running") or (verb in ("start", "restart") and code == 0))
        for verb, code in zip(VERBS, codes, strict=True)
    )
    for situation, codes in EXITS.items()
}

# What of Red Hat's function library the script uses, as it behaves there.
RED_HAT = """\
success() { printf '[  OK  ]'; return 0; }
failure() { local rc=$?; printf '[FAILED]'; return $rc; }
"""


def every_verb(make: str, undo: str) -> str:
    """A script that prints "VERB EXIT-CODE RUNS" for each verb in a situation. What keeps
    nginx alive is kept out of it. One for all verbs: a session each would take longer."""
    lines = [
        "exec 2>/dev/null",
        "pkill -STOP -f /usr/lib/tandem/supervise",
        f"runs() {{ {SCRIPT} status >/dev/null; }}",
    ]
    for verb in VERBS:
        lines += [
            f"{START} >/dev/null",
            make,
            f"{SCRIPT} {verb} >/dev/null; code=$?",
            f'runs && runs=True || runs=False; echo "{verb} $code $runs"',
            undo,
        ]
    return "\n".join([*lines, START, "pkill -CONT -f /usr/lib/tandem/supervise"])
