"""What a node of a routed cluster lets the routers know. Pure."""

# SERVES: as one of those that serve; YIELDS: behind all others; NOTHING: not at all.
SERVES, YIELDS, NOTHING = "serves", "yields", "nothing"


def announced_as(verdict, on_trial, drained_s, others_serve, graceful_s):
    """One of SERVES, YIELDS, NOTHING.

    verdict: (failed, last_resort), as keepalived would be told. on_trial: nginx answers again, and
    is not trusted yet; behind all others it does no harm, and where all are on trial they serve.
    drained_s: for how long a person or a deploy has wanted this node drained, None for not. Then
    routers have `graceful_s` to send to others what is new, before they are told nothing; while no
    other node says that it serves (others_serve), this one stays behind all others.
    """
    failed, last_resort = verdict
    if failed and not last_resort and not on_trial:
        return NOTHING
    if drained_s is not None:
        return NOTHING if drained_s >= graceful_s and others_serve else YIELDS
    return YIELDS if last_resort or on_trial else SERVES


class Drain:
    """Since when one of some files has been there."""

    def __init__(self, paths, exists):
        self.paths = paths
        self.exists = exists
        self.since_s = None

    def lasts_s(self, now_s):
        """For how long; None if there is none."""
        if not any(map(self.exists, self.paths)):
            self.since_s = None
        elif self.since_s is None:
            self.since_s = now_s
        return None if self.since_s is None else now_s - self.since_s
