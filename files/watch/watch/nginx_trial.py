"""Judge whether this node may serve: its nginx is dead, on trial, or trusted. Pure."""

# A node that fails again within this time has to answer for longer before it is trusted.
MEMORY_S = 120.0
LONGEST_TRIAL_S = 60.0
SAME_FAILURE_S = 1.5
# So often within that time it may lack what it needs beside nginx before that counts, too.
LAPSES_FORGIVEN = 2


class NginxTrial:
    """What is known of this node's nginx. The time and what was observed are passed in."""

    def __init__(self, misses, trial_s):
        self.misses_allowed = misses
        self.trial_s = trial_s
        self.missed = 0
        self.dead = True  # until it has answered
        self.failures = []
        self.lapses = []
        self.answering_since_s = None
        self.last_resort = False

    @property
    def on_trial(self):
        """Answering again, and not trusted yet."""
        return self.dead and self.answering_since_s is not None

    def required_s(self, now_s):
        """For how long nginx has to answer until it is trusted again."""
        failures, lapses = (_recent(each, now_s) for each in (self.failures, self.lapses))
        doublings = max(0, len(failures) - 1, len(lapses) - 1 - LAPSES_FORGIVEN)
        return min(self.trial_s * 2**doublings, LONGEST_TRIAL_S)

    def observe(self, now_s, answers, ended, lacks=False):
        """Whether nginx has answered, and whether its unit has just reported that it ended.

        lacks: whether the node lacks something else that it needs to serve: its own address, say.
        """
        if lacks:
            self.missed = 0
            self.answering_since_s = None
            if not self.dead:
                self.dead = True
                self.lapses = [*_recent(self.lapses, now_s), now_s]
            return
        if answers:
            self.missed = 0
            if self.answering_since_s is None or ended:
                self.answering_since_s = now_s
        else:
            self.missed += 1
            self.answering_since_s = None
        if not self.dead and (ended or self.missed >= self.misses_allowed):
            self.dead = True
            recent = _recent(self.failures, now_s)
            # Workers outlive their master for a moment and still answer: that is one failure.
            again = recent and now_s - recent[-1] < SAME_FAILURE_S
            self.failures = recent if again else [*recent, now_s]

    def judge(self, now_s, others_serve):
        """(failed, last_resort) for keepalived. `others_serve` matters only while dead."""
        if self.on_trial:
            passed = now_s - self.answering_since_s >= self.required_s(now_s)
            # One that was good enough while it did not answer is good enough now.
            if passed or self.last_resort or not others_serve:
                self.dead = False
        self.last_resort = self.dead and not others_serve
        if not self.dead:
            return 0, 0
        return (0, 1) if self.last_resort else (1, 0)


def _recent(moments_s, now_s):
    return [at_s for at_s in moments_s if now_s - at_s < MEMORY_S]


def must_write(verdict, last_verdict, found):
    """Whether the files have to be written: they differ from the verdict, and not by news.

    found: what the two files say. News is a 1 that nginx's unit has written while nginx was
    trusted: the next round judges it. At any other time it only comes late, to what is known.
    """
    news = verdict == last_verdict == (0, 0) and found[0] == "1"
    return not news and found != tuple(map(str, verdict))
