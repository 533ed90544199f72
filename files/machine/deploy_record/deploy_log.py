"""The last deploys, a line of JSON each: who, from which revision, when, and what it changed.

A run appends a line when it begins to change something (exit: begun), and its last step replaces
it (exit: done). The next run makes of one that still says begun: exit: stopped.
"""

import json

from common.machine_files import read, write

LOG = "/var/lib/tandem/deploys.jsonl"
KEPT = 50


def entries():
    """All of them, the last one last. A line that was cut off by a power failure is left out."""
    found = []
    for line in read(LOG).splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def append(entry):
    """Have `entry` as the last one, in the place of the one that its own run has begun with."""
    kept = []
    for earlier in entries():
        if earlier.get("run") == entry["run"]:
            continue
        if earlier.get("exit") == "begun":
            earlier["exit"] = "stopped"
        kept.append(earlier)
    kept.append(entry)
    # Anybody may read it, and nothing in it is secret.
    write(LOG, "".join(as_line(each) for each in kept[-KEPT:]).encode(), 0o644)


def as_line(entry):
    return json.dumps(entry, sort_keys=True) + "\n"


def summary(entry):
    """An entry in one line, for syslog."""
    changed = [f"{key}: {', '.join(entry[key])}" for key in CHANGES if entry.get(key)]
    to = f" to {entry['to']}" if entry.get("to") else ""
    return (
        f"{entry['command']}{to} of {entry['revision']} by {entry['operator']} "
        f"on {entry['controller']}: {'; '.join(changed) or 'nothing changed'}"
    )


# What may have changed, by kind.
CHANGES = ("services", "sites", "files", "steps")
