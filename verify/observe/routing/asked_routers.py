"""Asks routers for their own routes to a VIP, from the controller, by commands of a person's."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import gevent

from settings import Cluster
from settings.values import ROOT
from verify.redaction import without_secrets
from verify.snapshot import RouterView

TIMEOUT_S = 10
# A route to one address is a few lines; whoever prints a whole table is not asked for one.
LARGEST_CHARACTERS = 1 << 20
# Of what a command says on its standard error.
_MOST_SAID = 300


class RouterQuestion(NamedTuple):
    """A router's address, and the words of the command that asks it."""

    address: str
    words: tuple[str, ...]

    @property
    def command(self) -> str:
        """To be pasted."""
        return shlex.join(self.words)


def questions(cluster: Cluster) -> tuple[RouterQuestion, ...]:
    """Each router that can be asked, once, however many nodes announce to it."""
    return tuple(dict.fromkeys(_questions(cluster)))


def _questions(cluster: Cluster) -> Iterator[RouterQuestion]:
    vips = {vip.version: vip for vip in cluster.addresses}
    for node in cluster.nodes:
        for router in node.routers:
            if words := router.asked_for(vips[router.address.version]):
                yield RouterQuestion(str(router.address), words)


def ask(cluster: Cluster) -> tuple[RouterView, ...]:
    """What each of them says; all are asked at once, and each command is run once."""
    asked = questions(cluster)
    runs = {words: gevent.spawn(_run, words) for words in {each.words for each in asked}}
    return tuple(
        RouterView(address=each.address, command=each.command, text=text, problem=problem)
        for each in asked
        for text, problem in [runs[each.words].get()]
    )


def _run(words: tuple[str, ...]) -> tuple[str, str]:
    """What a command prints, and why that is no evidence."""
    try:
        with subprocess.Popen(
            words,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # To be ended with all that it has started; and without a terminal to ask anybody at.
            start_new_session=True,
        ) as process:
            try:
                printed, said = process.communicate(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                return "", f"has not ended after {TIMEOUT_S} s"
    except OSError as error:
        return "", f"cannot be run ({error.strerror})"
    text = without_secrets(printed.decode(errors="replace"))
    if process.returncode:
        why = without_secrets(said.decode(errors="replace")) or text
        shown = " ".join(why.split())[-_MOST_SAID:] or "nothing"
        return "", f"failed with status {process.returncode} and said: {shown}"
    if len(text) > LARGEST_CHARACTERS:
        return "", f"printed more than {LARGEST_CHARACTERS} characters: ask for one route"
    return text, "" if text.strip() else "printed nothing"
