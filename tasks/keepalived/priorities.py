"""How far keepalived's own checks have taken a machine's priorities down: shell that asks it."""

from __future__ import annotations

import re
from collections.abc import Iterable

# keepalived writes its state when it is sent a signal, which would end another process.
_STATE = "/run/keepalived/keepalived.json"
_PRIORITIES = r'"(iname|base_priority|effective_priority)": *("[^"]*"|-?[0-9]+)'
SHOW_LOST = (
    "pid=$(cat /run/keepalived.pid 2>/dev/null) && grep -qsx keepalived /proc/$pid/comm && "
    f"signal=$(keepalived --signum=JSON 2>/dev/null) && rm -f {_STATE} && "
    f"kill -s $signal $pid && sleep 0.3 && grep -oE '{_PRIORITIES}' {_STATE}"
)


def lost(output: Iterable[str]) -> dict[str, int]:
    """By how much the priority of each vrrp_instance is below its configured one, less than 0
    where it is above; from lines among which are those of `SHOW_LOST`."""
    found: dict[str, dict[str, int]] = {}
    name = ""
    for line in output:
        if not (match := re.fullmatch(_PRIORITIES, line)):
            continue
        key, value = match[1], match[2].strip('"')
        if key == "iname":
            name = value
        else:
            found.setdefault(name, {})[key] = int(value)
    return {
        name: each["base_priority"] - each["effective_priority"]
        for name, each in found.items()
        if len(each) == 2
    }
