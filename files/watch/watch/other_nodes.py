"""Whether another node can serve in this node's place."""

from common.health_request import first_bytes, is_success
from watch.premises.neighbour_discovery import held_elsewhere, is_local


class OtherNodes:
    """The other nodes' nginx, and the address that moves."""

    def __init__(self, vip, addresses, port, misses, timeout_s, interface="", routed=False):
        """routed: every node has the address, and nobody can be asked for it. A node that is on
        trial, or the last resort, is announced behind all others then, and takes nothing away."""
        self.vip = vip
        self.interface = interface
        self.addresses = addresses
        self.port = port
        self.misses_allowed = misses
        self.timeout_s = timeout_s
        self.vip_missed = 0
        self.routed = routed

    def serve(self, on_trial, settles=False):
        """Asked only while this node's nginx is dead. settles: it has just got its link or address
        back, and that nobody answers means nothing yet.

        Another nginx that answers is enough while ours does not. Once ours does, too, it takes
        more: the others may be on trial as well, each waiting for the other. Then the address
        tells. So it does where another closes without a word: it is full and alive, or crashes.
        """
        found = []
        for address in self.addresses:
            found.append(self.begins(address))
            if self.routed and found[-1]:
                break  # one is enough; those that cannot be reached take a while each
        if all(each is None for each in found):
            self.vip_missed = 0
            return settles
        enough = any(map(is_success, filter(None, found)))
        enough = enough and (self.routed or not on_trial)
        self.vip_missed = 0 if enough or self.have_vip() else self.vip_missed + 1
        return self.vip_missed < self.misses_allowed

    def have_vip(self):
        """Whether another node has the address, and answers there."""
        if self.routed:
            return False
        # Where the address is on `lo`, for connections that have not ended yet, a request to it
        # would be answered by this node itself.
        if self.interface and is_local(self.vip):
            return held_elsewhere(self.vip, self.addresses[0], self.interface, self.timeout_s)
        # (Where it wants PROXY protocol, it closes without a word, which tells as much.)
        return self.begins(self.vip) is not None

    def begins(self, address):
        """The beginning of the answer from there: empty from one that closes without a word, None
        where there is none, or it is no success."""
        try:
            answer = first_bytes(address, self.port, self.timeout_s)
        except OSError:
            return None
        return answer if not answer or is_success(answer) else None
