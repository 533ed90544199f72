"""A link that comes and goes: a bad cable, port or transceiver."""

from common.machine_files import read

# keepalived leaves the election without a link, and is back the moment it has one. After more
# losses than these within `MEMORY_S` the node is on trial when its link returns, or each flap would
# move the address twice.
FORGIVEN = 2
MEMORY_S = 120.0


class LinkLosses:
    """Counts how often the interface has lost its link."""

    def __init__(self, interface, path="/sys/class/net/{}/carrier"):
        self.interface = interface
        self.path = path.format(interface)
        self.was_up = False
        self.losses_s = []

    def fault(self, now_s):
        """That there is no link, in words, if that has been so too often; "" otherwise."""
        is_up = read(self.path) == "1"  # cannot be read where the interface is down
        self.losses_s = [at_s for at_s in self.losses_s if now_s - at_s < MEMORY_S]
        if self.was_up and not is_up:
            self.losses_s.append(now_s)
        self.was_up = is_up
        if is_up or len(self.losses_s) <= FORGIVEN:
            return ""
        return f"{self.interface} has lost its link {len(self.losses_s)} times within two minutes"
