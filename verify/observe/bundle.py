"""Probes in bundles, and all bundles of a machine in one script: one round trip runs them all."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from itertools import groupby

from verify.observe.probe import HttpProbe, ShellProbe
from verify.redaction import without_secrets
from verify.snapshot import LARGEST_CHARACTERS, TIMED_OUT, TOO_LARGE, ProbeOutput

PROBE_TIMEOUT_S = 5
# Where the answers wait until all are there. A place that is full is passed over.
PLACES = "/run /dev/shm /tmp"
# Runs a command; with a place to write to, beside what comes after it. A line of its own for the
# first mark, whatever the answer before has ended with.
_FUNCTIONS = """\
into() {
    name=$1; shift
    if [ -z "$place" ]; then echo; "$@"; else { echo; "$@"; } >"$place/$name" & fi
}
probe() {
    echo "$mark begin $1"
    (eval "$2") 2>&1 </dev/null
    printf "\\n$mark end %s\\n" $?
}
beside() { into "$1" probe "$@"; }"""
# Every probe runs with this, so that what it prints does not depend on who logs in.
_ENVIRONMENT = "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Bundle:
    """Probes that are run one after the other; one that may hang is started in its turn, and the
    next one does not wait for it.

    One that hangs though it should not takes those after it with it, until the deadline of the
    round, which leaves each bundle `timeout_s` at the least. `first`: what the shell runs before.
    """

    def __init__(
        self,
        *probes: ShellProbe,
        timeout_s: float = PROBE_TIMEOUT_S,
        first: str = ":",
    ):
        self.probes = probes
        self.timeout_s = timeout_s
        self.first = first

    @property
    def script(self) -> str:
        """What runs every probe, with the functions of the round trip."""
        return "\n".join([self.first, *self._runs(), "wait"])

    def _runs(self) -> Iterator[str]:
        for kind, probes in groupby(self.probes, type):
            if kind is HttpProbe:
                yield _gets([get for get in probes if isinstance(get, HttpProbe)])
            else:
                yield from map(_run, probes)


def _run(probe: ShellProbe) -> str:
    how = "beside" if probe.may_hang else "probe"
    return f"{how} {probe.name} {shlex.quote(probe.command)}"


# Nobody's page is to fill the place where the answers wait.
_FASTEST = "8M"


def _gets(gets: list[HttpProbe]) -> str:
    """All of them by one curl, which writes the marks between their answers itself: of several -w
    the last one counts. What has been answered is written at once, body (-N) and marks (to the
    other stream, which nothing holds back): the deadline may come while the next one is asked.

    A curl older than 7.75 does not know `exitcode`, and is run for each. (Its words for --write-out
    stand in the program; to ask the program takes five times as long.)
    """
    ends = [f"$mark begin {each.name}\\n" for each in gets[1:]] + [""]
    asked = " --next ".join(
        f"{each.command.removeprefix('curl ')} -N --limit-rate {_FASTEST}"
        f" -w '%{{stderr}}{each.out}\\n'\"$mark end %{{exitcode}}\\n{then}\""
        for each, then in zip(gets, ends, strict=True)
    )
    alone = "\n".join(map(_run, gets))
    return f"""\
if grep -qaw exitcode "$(command -v curl)"; then
echo "$mark begin {gets[0].name}"
curl {asked} 2>&1 </dev/null
else
{alone}
fi"""


class RoundTrip:
    """Bundles that share one round trip, and are run side by side on the machine.

    All of them end `deadline_s` after they have begun: what has been answered by then is kept.
    The marks between the answers hold a random word, so that no answer can pass for one.
    Its repr is short: pyinfra prints it when that fails.
    """

    def __init__(self, *bundles: Bundle):
        self.bundles = bundles
        self._mark = f"@@tandem {secrets.token_hex(4)}"

    def __repr__(self) -> str:
        return "all probes"

    @property
    def deadline_s(self) -> float:
        """No probe is waited for longer than this, however many of them hang."""
        return max(bundle.timeout_s for bundle in self.bundles)

    @property
    def longest_s(self) -> float:
        """After this long something is wrong with the machine rather than with one probe."""
        return self.deadline_s + 4

    @property
    def script(self) -> str:
        """A shell script that never fails; where it may write nothing, the probes take turns.

        One time limit is for all of them: each of its own would be two processes more, which is as
        long as many a probe takes.
        """
        numbers = " ".join(map(str, range(len(self.bundles))))
        return "\n".join(
            [
                _ENVIRONMENT,
                f"export mark='{self._mark}' place=",
                f"for base in {PLACES}; do",
                "place=$(mktemp -d $base/tandem-verify.XXXXXX 2>/dev/null) || continue",
                """printf '%65536s' '' 2>/dev/null >"$place/room" && rm "$place/room" && break""",
                'rm -rf "$place"; place=',
                "done",
                """trap '[ -z "$place" ] || rm -rf "$place"' EXIT""",
                # It ends every process that is left: none that hangs keeps the answer open.
                f"(timeout -s KILL {self.deadline_s:g} sh <<'ROUND'",
                _FUNCTIONS,
                *(f"ask{n}() {{\n{bundle.script}\n}}" for n, bundle in enumerate(self.bundles)),
                f'for n in {numbers}; do into "$n" "ask$n"; done; wait',
                "ROUND",
                # pyinfra gives up on output that is not UTF-8.
                f'[ -z "$place" ] || head -q -c {LARGEST_CHARACTERS} "$place"/*) 2>/dev/null |',
                "iconv -c -f UTF-8 -t UTF-8",
                "exit 0",
            ]
        )

    def read(self, output: str) -> dict[str, ProbeOutput]:
        """What the script printed, by probe; secrets are replaced (redaction.py).

        A probe that has begun and not ended has timed out, or its answer was too large; one that
        has not begun is not there.
        """
        probes = {probe.name: probe for bundle in self.bundles for probe in bundle.probes}
        marks = re.compile(rf"{self._mark} (begin|end) (\S+)$")
        outputs: dict[str, ProbeOutput] = {}
        name, lines = "", list[str]()

        def add(status: int, text: str) -> None:
            if probe := probes.get(name):
                # What anybody on the network is told is no secret, and is compared as it is.
                text = text if isinstance(probe, HttpProbe) else without_secrets(text)
                outputs[name] = ProbeOutput.whole(probe.text, status, text)

        def cut_off() -> None:
            # The limit is that of its bundle, in which others may have come before it.
            size = sum(map(len, lines))
            add(TOO_LARGE if size > LARGEST_CHARACTERS // 4 else TIMED_OUT, "")

        for line in output.split("\n"):
            mark = marks.match(line)
            if mark and mark[1] == "begin":
                cut_off()
                name, lines = mark[2], []
            elif mark:
                # The newline before the end mark is ours, for output that does not end with one.
                add(int(mark[2]), "\n".join(lines).removesuffix("\n"))
                name = ""
            else:
                lines.append(line)
        cut_off()
        return outputs
