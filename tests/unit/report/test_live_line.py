"""The line that changes, on a pseudo-terminal and where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# As fast as a test can be.
QUICK = "from report import live_line\nlive_line.APPEARS_S = 0.1\nlive_line.REDRAWN_S = 0.05\n"
PATCHED = "from gevent import monkey; monkey.patch_all()\n"
# rich is not needed before there is a line to draw.
DRAWN = "import time; time.sleep(1)\n"


class Screen:
    """What a terminal shows of what is written to it. `columns`: for the cursor, which wraps."""

    def __init__(self, columns: int) -> None:
        self.lines = [""]
        self._column, self._columns = 0, columns

    def write(self, text: str) -> None:
        for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", text, re.DOTALL):
            line = self.lines[-1]
            if piece == "\n":
                self.lines.append("")
                self._column = 0
            elif piece == "\r":
                self._column = 0
            elif piece == "\x1b[K":
                self.lines[-1] = line[: self._column]
            elif piece.startswith("\x1b"):
                assert piece.endswith("m"), f"only colours and the erasing: {piece!r}"
            elif self._column == self._columns:
                raise AssertionError(f"wrapped: {line!r}")
            else:
                self.lines[-1] = line[: self._column] + piece + line[self._column + 1 :]
                self._column += 1

    @property
    def told(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


class Written:
    """What a program has written to its terminal, and how it has ended."""

    def __init__(self, text: str, code: int, columns: int) -> None:
        self.text, self.code = text, code
        screen = Screen(columns)
        screen.write(text)
        self.left = screen.told

    @property
    def drawn(self) -> list[str]:
        """Each state of the line that changes, without colours."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.text)
        return re.findall(r"\r\x1b\[K([^\r\n\x1b]+)\r", plain)


def on_terminal(
    script: str,
    *,
    columns: int = 80,
    during: Callable[[subprocess.Popen[bytes]], None] | None = None,
    **environment: str,
) -> Written:
    """Run `script` with a terminal of its own as its standard output and error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {**os.environ, "TERM": "xterm", **environment}
    given.pop("NO_COLOR" if "NO_COLOR" not in environment else "", None)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=given,
    ) as process:
        if during:
            during(process)
        written = b""
        # (No end of file tells: gevent closes this process's own end later.)
        while True:
            over = process.poll() is not None
            if select.select([ours], [], [], 0 if over else 0.05)[0]:
                written += os.read(ours, 1 << 16)
            elif over:
                break
    os.close(theirs)
    os.close(ours)
    return Written(written.decode().replace("\r\n", "\n"), process.returncode, columns)


def elsewhere(script: str, **options: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", script]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, **options)  # type: ignore[call-overload,no-any-return]


# As in the lab, a thread; as in pyinfra's process, a greenlet. And where nothing is buffered.
WAYS = [("", {}), (PATCHED, {}), ("", {"PYTHONUNBUFFERED": "1"})]


@pytest.mark.parametrize(("first", "environment"), WAYS, ids=["thread", "greenlet", "unbuffered"])
def test_it_changes_and_is_gone_when_its_stage_is_over(
    first: str, environment: dict[str, str]
) -> None:
    work = "live_line.begin('Compiling'); live_line.part('12 of 127 files', 'host2')\n"
    written = on_terminal(
        f"{first}{QUICK}{work}{DRAWN}live_line.end(); print('Done')", **environment
    )
    assert any(re.fullmatch(r"  . [01] s  host2: 12 of 127 files", line) for line in written.drawn)
    assert written.left == ["Done"]


@pytest.mark.parametrize(("first", "environment"), WAYS, ids=["thread", "greenlet", "unbuffered"])
def test_what_others_print_takes_its_place_and_it_goes_on_below(
    first: str, environment: dict[str, str]
) -> None:
    """pyinfra, and click, print without knowing of it."""
    script = (
        f"{first}{QUICK}import click, sys\nlive_line.begin('A stage with a name that is long')\n"
        f"{DRAWN}click.echo('short', err=True)\n{DRAWN}print('x', file=sys.stderr)\n{DRAWN}"
    )
    written = on_terminal(script, **environment)
    assert written.left == ["short", "x"]
    assert "A stage" in written.text.rpartition("short")[2], "it is drawn again"
    shown = Screen(80)
    shown.write(written.text.partition("\x1b[Kshort")[0])
    assert "A stage with a name" in shown.told[0], "and stands until then"


def test_machines_that_do_the_same_are_told_together() -> None:
    parts = "".join(
        f"live_line.part({text!r}, {of!r})\n"
        for of, text in [
            ("host2", "apt-get: fetching"),
            ("host1", "apt-get: fetching"),
            ("w", "2 of 3"),
        ]
    )
    written = on_terminal(f"{QUICK}live_line.begin('Packages')\n{parts}{DRAWN}")
    assert written.drawn[-1].endswith("  host1, host2: apt-get: fetching; w: 2 of 3")


@pytest.mark.parametrize("text", ["long " * 40, "breit: 日本語 " * 20])
@pytest.mark.parametrize("columns", [40, 9, 1])
def test_a_narrow_terminal_never_wraps_it(text: str, columns: int) -> None:
    written = on_terminal(f"{QUICK}live_line.begin({text!r})\n{DRAWN}", columns=columns)
    assert written.drawn and written.left == []


def test_what_a_machine_says_cannot_move_the_cursor() -> None:
    written = on_terminal(f"{QUICK}live_line.part('a\\x1b[2J\\nb\\tc', 'host1')\n{DRAWN}")
    assert written.drawn[-1].endswith("host1: a [2J b c")


def test_no_colours_where_none_are_wanted() -> None:
    assert "\x1b[36m" in on_terminal(f"{QUICK}live_line.begin('Stage')\n{DRAWN}").text
    plain = on_terminal(f"{QUICK}live_line.begin('Stage')\n{DRAWN}", NO_COLOR="1")
    assert plain.drawn and not re.search(r"\x1b\[[0-9;]*[1-9]m", plain.text)


def test_a_terminal_that_can_do_nothing_gets_plain_lines() -> None:
    written = on_terminal(f"{QUICK}live_line.begin('Stage')\n{DRAWN}", TERM="dumb")
    assert written.text == "Stage\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_process_nothing_is_left_to_be_put_right(number: signal.Signals) -> None:
    """No hidden cursor, and the next prompt stands at the beginning of a line."""

    def end(process: subprocess.Popen[bytes]) -> None:
        time.sleep(1.5)
        process.send_signal(number)

    script = f"{QUICK}live_line.begin('Stage')\nimport time; time.sleep(30)"
    written = on_terminal(script, during=end)
    assert written.code and written.drawn
    assert not re.search(r"\x1b\[\?", written.text)
    assert written.text.endswith(("\r", "\x1b[K", "\n"))


def test_elsewhere_a_stage_is_a_line_once_and_a_sign_of_life_while_it_lasts() -> None:
    script = (
        f"{QUICK}live_line.SIGN_S = 0.3; live_line.LATER_SIGN_S = 0.6\nimport time\n"
        "live_line.begin('Compiling'); live_line.part('1 of 2', 'host2')\ntime.sleep(1.6)\n"
        "live_line.begin('Short'); live_line.end(); live_line.begin('Said', said=True)\n"
        "time.sleep(0.5)\nprint('answer')"
    )
    done = elsewhere(script)
    compiling, *signs, short, said = done.stderr.splitlines()
    assert (compiling, short) == ("Compiling", "Short")
    # After 0.3 and 0.6 s, and then each 0.6 s.
    assert signs == [f"    after {s} s: host2: 1 of 2" for s in (0, 1, 1)]
    assert said == "    after 0 s: Said"
    assert done.stdout == "answer\n", "nothing of it is in what programs read"


def test_a_colour_that_is_forced_makes_no_terminal_of_a_pipe() -> None:
    script = f"{QUICK}live_line.begin('Stage')\n{DRAWN}"
    assert elsewhere(script, env={**os.environ, "FORCE_COLOR": "1"}).stderr == "Stage\n"


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", ">&-", "2>&1 >&-"])
def test_where_there_is_nobody_to_read_it_work_goes_on(closed: str, tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = (
        f"{QUICK}live_line.begin('Stage')\nlive_line.say('line')\n{DRAWN}open({str(done)!r}, 'w')"
    )
    subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, script], cwd=ROOT)
    assert done.exists()


def test_a_part_without_a_stage_is_told_and_over_when_it_is_taken_away() -> None:
    """A command with -v, or one of the verifier's."""
    script = (
        f"{QUICK}live_line.part('3 left', 'host1')\n{DRAWN}live_line.part('', 'host1')\n{DRAWN}"
    )
    written = on_terminal(script)
    assert written.drawn[-1].endswith("host1: 3 left") and written.left == []
