"""What the verifier names while a drill of the network or of overload lasts, with the defaults.

tests/lab/breaking/test_named_meanwhile.py looks; docs/drills.md has it as a table.
"""

from __future__ import annotations

# A machine that cannot be reached is one finding; of it nothing else is known.
AWAY = frozenset({"HOST-01"})
NAMED: dict[str, frozenset[str]] = {
    "standby-address-lost": AWAY,
    "own-address-lost": AWAY,
    "address-late-at-boot": AWAY,
    "standby-interface-down": AWAY,
    "interface-down-up": AWAY,
    "interface-recreated": AWAY,
    "vm-pause": AWAY,
    "own-address-back": frozenset(),
    # The address goes to and fro: at least one of them, and the drill fails without.
    "vip-taken-by-stranger": frozenset({"X-07", "X-08", "X-09", "X-10", "X-11"}),
    "rules-flushed": frozenset(),
    "resolver-dead": frozenset(),
    "inotify-exhausted": frozenset({"KA-22"}),
    "firewall-without-vrrp": frozenset(),
    "ipv6-lost": frozenset({"NET-05"}),
    "slow-clients": frozenset(),
    "request-flood": frozenset(),
}
