"""How SSH reaches the lab's machines, whatever the inventory has for the machines they stand for.

Keys, known hosts and ssh_config of the real ones may not be here, and are not theirs.
"""

from __future__ import annotations

from typing import Any

# pyinfra's own names: what is in the home that `lab run` gives.
CONNECTION: dict[str, object] = {
    "ssh_key": None,
    "ssh_key_password": None,
    "ssh_config_file": None,
    "ssh_known_hosts_file": None,
    "ssh_allow_agent": False,
    "ssh_look_for_keys": True,
}


def apply(connector: Any) -> None:
    """Have pyinfra's `connector` of one machine connect so."""
    connector.data.update(CONNECTION)
