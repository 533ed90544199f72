"""What nft lists of rules that are loaded into a network namespace of their own; needs root."""

from __future__ import annotations

import subprocess

# The rules name the interface; `dup to` wants it to exist.
_LOAD = "ip link add eth0 type veth peer name other && nft --file - && nft --json list table $0"


def listed(rules: str, table: str) -> str:
    """`table` (family and name) in JSON, after loading `rules` where no other table is."""
    command = ["unshare", "--net", "sh", "-c", _LOAD, table]
    done = subprocess.run(command, input=rules, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
