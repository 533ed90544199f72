"""The last deploys, a line of JSON each: who, from which revision, when, and what it changed.

A run appends a line when it begins to change something (exit: begun), and its last step replaces
it (exit: done). The next run makes of one that still says begun: exit: stopped.
"""

from common.machine_files import read, write
from deploy_record import json_text

LOG = "/var/lib/tandem/deploys.jsonl"
KEPT = 50


def entries():
    """All of them, the last one last. A line that was cut off by a power failure is left out."""
    found = []
    for line in read(LOG).splitlines():
        try:
            entry = json_text.loads(line)
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
    write(LOG, "".join(json_text.dumps(each) + "\n" for each in kept[-KEPT:]).encode(), 0o644)


def summary(entry):
    """An entry in one line, for syslog, which may cut a line off that is too long."""
    changed = [f"{key}: {', '.join(entry[key])}" for key in CHANGES if entry.get(key)]
    to = f" to {entry['to']}" if entry.get("to") else ""
    return (
        f"{entry['command']}{to} of {entry['revision']} by {entry['operator']} "
        f"on {entry['controller']}: {'; '.join(changed) or 'nothing changed'}"
    )


# What may have changed, by kind.
CHANGES = ("services", "sites", "files", "steps")
