"""When nginx was full or busy: a line for the journal, and what others read of it. Pure."""

from watch.nginx_answer import BUSY, FULL

# Over once it was not so for this long: one question may be answered amid a flood.
OVER_AFTER_S = 5.0
_BEGINS = {
    FULL: "nginx is full: it closes new connections unanswered (worker_connections are used up). "
    "The address stays: its clients would fill the next node as well",
    BUSY: "nginx is busy: its workers run, and answer late. The address stays",
}
_IS_OVER = "nginx is not {} any more, after {:.1f} s"


class OverloadEpisodes:
    """The time, in seconds since the machine's start, and nginx's state are passed in."""

    def __init__(self):
        self.kinds = {kind: _Episodes(kind) for kind in (FULL, BUSY)}

    def observe(self, now_s, state):
        """The lines to say, none for no news."""
        lines = [each.observe(now_s, state == kind) for kind, each in self.kinds.items()]
        return [line for line in lines if line]

    def text(self):
        """A line for each kind: KIND COUNT BEGAN ENDED, the last two of the last one, in seconds
        since the machine's start; ENDED is - while it goes on, both are - if there was none."""
        return "".join(each.text() for each in self.kinds.values())


class _Episodes:
    def __init__(self, kind):
        self.kind = kind
        self.count = 0
        self.goes_on = False
        self.began_s = self.seen_s = 0.0

    def observe(self, now_s, is_so):
        if is_so:
            self.seen_s = now_s
            if not self.goes_on:
                self.goes_on, self.began_s = True, now_s
                self.count += 1
                return _BEGINS[self.kind]
        elif self.goes_on and now_s - self.seen_s >= OVER_AFTER_S:
            self.goes_on = False
            return _IS_OVER.format(self.kind, self.seen_s - self.began_s)
        return ""

    def text(self):
        began = f"{self.began_s:.1f}" if self.count else "-"
        ended = f"{self.seen_s:.1f}" if self.count and not self.goes_on else "-"
        return f"{self.kind} {self.count} {began} {ended}\n"
