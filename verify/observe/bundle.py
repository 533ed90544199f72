"""Probes in bundles, and all bundles of a machine in one script: one round trip runs them all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import groupby

from verify.observe.probe import HttpProbe, ShellProbe
from verify.snapshot import ProbeOutput

PROBE_TIMEOUT_S = 5
_MARK = re.compile(r"@@tandem (begin|end) (\S+)$")
# Every probe runs with this, so that what it prints does not depend on who logs in.
_ENVIRONMENT = "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Bundle:
    """Probes that are run one after the other, each bounded in time.

    `one_timeout`: all of them share one, for what only reads what the kernel and local files hold:
    it saves two processes for each probe, and one that hangs takes those after it with it.
    `first`: what the shell runs before them.
    """

    def __init__(
        self,
        *probes: ShellProbe,
        timeout_s: float = PROBE_TIMEOUT_S,
        one_timeout: bool = False,
        first: str = ":",
    ):
        self.probes = probes
        self.timeout_s = timeout_s
        self.one_timeout = one_timeout
        self.first = first

    @property
    def script(self) -> str:
        """A shell script that runs every probe, bounded in time."""
        bounded = f"timeout {self.timeout_s} sh"
        begin, end = (bounded + " <<'PROBES'", "PROBES") if self.one_timeout else ("", "")
        run = '(eval "$2")' if self.one_timeout else f'{bounded} -c "$2"'
        return "\n".join(
            [
                _ENVIRONMENT,
                begin,
                self.first,
                "probe() {",
                'echo "@@tandem begin $1"',
                f"{run} 2>&1 </dev/null",
                'printf "\\n@@tandem end %s\\n" $?',
                "}",
                *self._runs(),
                end,
            ]
        )

    def _runs(self) -> Iterator[str]:
        for kind, probes in groupby(self.probes, type):
            if kind is HttpProbe:
                yield _gets([get for get in probes if isinstance(get, HttpProbe)])
            else:
                yield from (f"probe {each.name} {shlex.quote(each.command)}" for each in probes)


def _gets(gets: list[HttpProbe]) -> str:
    """All of them by one curl, which writes the marks between their answers itself: of several -w
    the last one counts."""
    ends = [f"@@tandem begin {each.name}\\n" for each in gets[1:]] + [""]
    asked = " --next ".join(
        each.command.removeprefix("curl ")
        + f" -w '{each.out}\\n@@tandem end %{{exitcode}}\\n{then}'"
        for each, then in zip(gets, ends, strict=True)
    )
    names = " ".join(each.name for each in gets)
    return f"""\
if command -v curl >/dev/null; then
echo "@@tandem begin {gets[0].name}"
curl {asked} 2>&1 </dev/null
else
for name in {names}; do probe "$name" curl; done
fi"""


class RoundTrip:
    """Bundles that share one round trip, and are run side by side on the machine.

    Its repr is short: pyinfra prints it when that fails.
    """

    def __init__(self, *bundles: Bundle):
        self.bundles = bundles

    def __repr__(self) -> str:
        return "all probes"

    @property
    def longest_s(self) -> float:
        """After this long something is wrong with the machine rather than with one probe."""
        return max(bundle.timeout_s for bundle in self.bundles) + 4

    @property
    def script(self) -> str:
        """A shell script that never fails; where it may write nothing, the bundles take turns."""
        numbers = " ".join(map(str, range(len(self.bundles))))
        return "\n".join(
            [
                *(f"ask{n}() {{\n{bundle.script}\n}}" for n, bundle in enumerate(self.bundles)),
                "ask() {",
                "place=$(mktemp -d /run/tandem-verify.XXXXXX 2>/dev/null)",
                'if [ -z "$place" ]; then',
                f'for n in {numbers}; do ( "ask$n" ); done; return',
                "fi",
                """trap 'rm -rf "$place"' EXIT""",
                f'for n in {numbers}; do ( "ask$n" ) >"$place/$n" & done; wait',
                'cat "$place"/*',
                "}",
                # pyinfra gives up on output that is not UTF-8.
                "(ask) | iconv -c -f UTF-8 -t UTF-8",
                "exit 0",
            ]
        )

    def read(self, output: str) -> dict[str, ProbeOutput]:
        """What the script printed, by probe. A probe that was cut off is not there."""
        commands = {probe.name: probe.text for bundle in self.bundles for probe in bundle.probes}
        outputs: dict[str, ProbeOutput] = {}
        name, lines = "", list[str]()
        for line in output.split("\n"):
            mark = _MARK.match(line)
            if mark and mark[1] == "begin":
                name, lines = mark[2], []
            elif mark and name in commands:
                # The newline before the end mark is ours, for output that does not end with one.
                text = "\n".join(lines).removesuffix("\n")
                outputs[name] = ProbeOutput(command=commands[name], status=int(mark[2]), text=text)
                name = ""
            else:
                lines.append(line)
        return outputs
