"""One question to a machine: a shell command, or an HTTP request that it makes."""

from __future__ import annotations

from dataclasses import dataclass

# What ends an answer, whatever the command did: without it, it was cut off.
END = "(end)"


@dataclass(frozen=True)
class ShellProbe:
    """A command, run by `sh`. `shown` replaces it in reports where it is not fit for a person.

    `may_hang`: it waits for others (a service, a resolver, a disk far away); what comes after it
    does not wait for it.
    """

    name: str
    command: str
    shown: str = ""
    may_hang: bool = False

    @property
    def text(self) -> str:
        """What a person is shown."""
        return self.shown or self.command


@dataclass(frozen=True)
class HttpProbe(ShellProbe):
    """A GET by curl, which prints the answer with its headers, and then `out`, its --write-out.

    curl's exit status says whether it came whole.
    """

    out: str = ""


def told(name: str, command: str, shown: str = "", *, may_hang: bool = False) -> ShellProbe:
    """A question whose answer is told from silence, and from one that was cut off: `command` prints
    something also when the honest answer is "none", and then comes `END`, on a line of its own.

    It comes after an `exit`, too, but not after an `exec`, nor when the shell was killed.
    """
    ended = f"trap 'printf \"\\n{END}\"' EXIT\n{command}"
    return ShellProbe(name, ended, shown or command, may_hang)


def whole(text: str) -> str:
    """What `told`'s command has printed. Raises ValueError where the end is missing."""
    printed, end, more = text.rpartition(f"\n{END}")
    if not end or more:
        raise ValueError("the answer was cut off")
    return printed.removesuffix("\n")


# What is asked for each VIP of a cluster; all else is asked once.
OF_EACH_VIP = {"heard", "page:vip", "handover_table", "speakers_table"}


def of_vip(probe: str, place: int) -> str:
    """The name of a question about the VIP at `place`; the first one's has none added."""
    return f"{probe}@{place}" if place and probe in OF_EACH_VIP else probe
