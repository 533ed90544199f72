"""What a machine answered, and when that is evidence; what is none, is "cannot tell"."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from functools import cached_property, partial
from typing import TypeVar

from verify.observe.probe import of_vip, whole
from verify.read import http_output
from verify.snapshot import ClockOffset, HostAnswers, ProbeOutput

T = TypeVar("T")

NOT_FOUND = 127
# How the system says that something is not there.
NO_SUCH_FILE = "No such file or directory"
# Of an answer that nobody can read.
MAX_SHOWN = 200
# How curl says that the other side does not serve. Of what else may have happened to curl itself
# nothing follows.
_CURL_STATUS = {
    7: "connection refused",
    18: "a part of an answer",
    28: "no answer in time",
    35: "no TLS session",
    52: "an empty answer",
    56: "connection reset",
}


class CannotTell(Exception):
    """The machine's answers do not say. Raised by what reads them; the judge makes it a finding.

    `because`: the check that finds out why, "" where that is not known.
    """

    def __init__(self, reason: str, because: str = ""):
        super().__init__(reason)
        self.because = because


def noun(probe: str, parse: Callable[[str], T], *, may_fail: bool = False) -> cached_property[T]:
    """What a probe printed, as a value that is read when it is first asked for."""
    return cached_property(lambda answers: answers.read(probe, parse, may_fail=may_fail))


class Answers:
    """One machine's answers as text, and as what a reader makes of it.

    Where its cluster has several VIPs: those about the VIP at `place`, which counts from 0.
    """

    def __init__(self, answers: HostAnswers, place: int = 0):
        self._answers = answers
        self._place = place
        self.name = answers.host
        self.problem = answers.problem

    @property
    def answered(self) -> bool:
        """Whether there is any answer at all."""
        return bool(self._answers.outputs)

    @property
    def clock(self) -> ClockOffset:
        if self._answers.clock is None:
            raise CannotTell("its clock was not read")
        return self._answers.clock

    def output(self, probe: str) -> ProbeOutput:
        """A probe's answer as it came. Raises `CannotTell` where there is none: an answer without
        content is no evidence."""
        output = self._given(probe)
        if not output.text.strip():
            raise CannotTell(f"{self.name} answered this question with nothing")
        return output

    def _given(self, probe: str) -> ProbeOutput:
        outputs = self._answers.outputs
        output = outputs.get(of_vip(probe, self._place))
        if output is None:
            raise CannotTell(f"{self.name} did not answer this question")
        if output.problem:
            raise CannotTell(f"{self.name} {output.problem}")
        return output

    def told(self, probe: str) -> ProbeOutput:
        """A shell's answer, whole, without what ends it. Raises `CannotTell` where it was cut off,
        as every answer is that an earlier version has saved."""
        output = self.output(probe)
        try:
            text = whole(output.text)
        except ValueError as error:
            raise CannotTell(f"{error}: {last_line(output.text)!r} is the last of it") from error
        if not text.strip():
            raise CannotTell(f"{self.name} answered this question with nothing")
        return output.model_copy(update={"text": text})

    def text(self, probe: str) -> str:
        """What a shell's answer says, for probes whose program every machine should have."""
        output = self.told(probe)
        if output.status == NOT_FOUND:
            raise CannotTell(last_line(output.text) or "a program is missing")
        return output.text

    def read(self, probe: str, parse: Callable[[str], T], *, may_fail: bool = False) -> T:
        """What a shell's answer says, as a value. A command that has failed has printed a complaint
        and nothing to be parsed, unless it `may_fail` and all it prints is of interest."""
        text = self.text(probe)
        if self.output(probe).status and not may_fail:
            raise CannotTell(last_line(text))
        return self._parsed(text, parse)

    def table(self, probe: str, parse: Callable[[str], T]) -> T | None:
        """A table of nftables; None only where nft says that there is no such table."""
        output = self.told(probe)
        if output.status and NO_SUCH_FILE in output.text:
            return None
        if output.status and "JSON" in output.text:
            raise CannotTell(f"nft on {self.name} cannot print JSON: {last_line(output.text)}")
        return self.read(probe, parse)

    def _parsed(self, text: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(text)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            shown = last_line(text)[:MAX_SHOWN]
            why = str(error).partition("\n")[0][:MAX_SHOWN]
            raise CannotTell(f"{self.name} answered {shown!r} ({why})") from error

    def asked(self, probe: str, *, timed: bool = False) -> http_output.Response:
        """The HTTP answer that this machine got. Raises `CannotTell` without curl."""
        # Where there was no answer, curl says so by its exit status, and prints nothing.
        if (status := self._given(probe).status) in _CURL_STATUS:
            return http_output.Response(0, Message(), _CURL_STATUS[status])
        output = self.output(probe)
        if output.status:
            why = last_line(output.text)[:MAX_SHOWN]
            raise CannotTell(f"curl on {self.name} exits {output.status}: {why}")
        return self._parsed(output.text, partial(http_output.response, timed=timed))


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
