"""The line that changes, on a pseudo-terminal and where there is none."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# As fast as a test can be.
QUICK = """
import time
from report import live_line
live_line.APPEARS_S = 0.1
live_line.REDRAWN_S = 0.05

def until_drawn():
    live_line._line._drawn = False
    while not live_line._line._drawn:
        time.sleep(0.01)

"""
PATCHED = "from gevent import monkey; monkey.patch_all()\n"
DRAWN, A_WHILE = "until_drawn()\n", "time.sleep(0.4)\n"


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
    script: str, *, columns: int = 80, number: int = 0, environment: Mapping[str, str] = {}
) -> Written:
    """Run `script` on a terminal; `number`: a signal that it gets when it has drawn a line."""
    given = {**os.environ, "TERM": "xterm", **environment}
    if "NO_COLOR" not in environment:
        given.pop("NO_COLOR", None)
    session = [sys.executable, "-m", "tests.support.terminal_session", str(columns), str(number)]
    done = subprocess.run(
        [*session, sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=given,
        timeout=60,
    )
    return Written(done.stdout.decode().replace("\r\n", "\n"), done.returncode, columns)


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
        f"{first}{QUICK}{work}{DRAWN}live_line.end(); print('Done')", environment=environment
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
    written = on_terminal(script, environment=environment)
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


def test_each_machine_has_its_share_of_the_line() -> None:
    parts = "".join(f"live_line.part({of * 9!r}, {of!r})\n" for of in ("host1", "host2"))
    written = on_terminal(f"{QUICK}live_line.begin('Packages')\n{parts}{DRAWN}", columns=60)
    line = written.drawn[-1]
    assert "host1: host1h" in line and "…; host2: host2h" in line and len(line) < 60


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
    plain = on_terminal(f"{QUICK}live_line.begin('Stage')\n{DRAWN}", environment={"NO_COLOR": "1"})
    assert plain.drawn and not re.search(r"\x1b\[[0-9;]*[1-9]m", plain.text)


def test_a_terminal_that_can_do_nothing_gets_plain_lines() -> None:
    written = on_terminal(
        f"{QUICK}live_line.begin('Stage')\n{A_WHILE}", environment={"TERM": "dumb"}
    )
    assert written.text == "Stage\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_process_nothing_is_left_to_be_put_right(number: signal.Signals) -> None:
    """No hidden cursor, and the next prompt stands at the beginning of a line."""

    script = f"{QUICK}live_line.begin('Stage')\nimport time; time.sleep(30)"
    written = on_terminal(script, number=number)
    assert written.code and written.drawn
    assert not re.search(r"\x1b\[\?", written.text)
    assert written.text.endswith(("\r", "\x1b[K", "\n"))


@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_it_stands_until_something_is_printed(environment: dict[str, str]) -> None:
    """What erases it has not been written when the process is killed."""
    script = f"{QUICK}live_line.begin('Stage')\ntime.sleep(30)"
    written = on_terminal(script, number=signal.SIGKILL, environment=environment)
    assert "Stage" in written.left[-1] and written.text.endswith("\r")


def test_elsewhere_a_stage_is_a_line_once_and_a_sign_of_life_while_it_lasts() -> None:
    script = (
        f"{QUICK}live_line.SIGN_S = 0.3; live_line.LATER_SIGN_S = 0.6\n"
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


def test_a_sign_of_life_is_one_short_line() -> None:
    work = "live_line.SIGN_S = 0.2\nlive_line.part('Successfully installed ' + 'a-1.0 ' * 99)\n"
    (said, *_) = elsewhere(f"{QUICK}{work}{A_WHILE}").stderr.splitlines()
    assert said.startswith("    after 0 s: Successfully installed a-1.0") and len(said) < 180


def test_a_colour_that_is_forced_makes_no_terminal_of_a_pipe() -> None:
    script = f"{QUICK}live_line.begin('Stage')\n{A_WHILE}"
    assert elsewhere(script, env={**os.environ, "FORCE_COLOR": "1"}).stderr == "Stage\n"


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", ">&-", "2>&1 >&-"])
def test_where_there_is_nobody_to_read_it_work_goes_on(closed: str, tmp_path: Path) -> None:
    done = tmp_path / "done"
    work = "live_line.begin('Stage')\nlive_line.begin('Next')\n"
    script = f"{QUICK}{work}{A_WHILE}open({str(done)!r}, 'w')"
    subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, script], cwd=ROOT)
    assert done.exists()


def test_a_part_without_a_stage_is_told_and_over_when_it_is_taken_away() -> None:
    """A command with -v, or one of the verifier's."""
    over = "live_line.part('', 'host1'); print('over')"
    written = on_terminal(f"{QUICK}live_line.part('3 left', 'host1')\n{DRAWN}{over}\n{A_WHILE}")
    assert written.drawn[-1].endswith("host1: 3 left") and written.left == ["over"]


# --- commands side by side, as make setup has them ---


def side_by_side(*parts: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "report.long_command", "Installing", *parts]
    return subprocess.run(words, cwd=ROOT, **CAPTURED)  # type: ignore[call-overload,no-any-return]


CAPTURED = {"capture_output": True, "text": True, "timeout": 60}


def test_commands_run_side_by_side_and_say_nothing_where_all_is_well(tmp_path: Path) -> None:
    """Each waits for what the other makes."""
    wait = "echo wait; touch {0}; until [ -e {1} ]; do sleep 0.05; done"
    a, b = tmp_path / "a", tmp_path / "b"
    done = side_by_side(f"A={wait.format(a, b)}", f"B={wait.format(b, a)}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Installing\n")


def test_of_one_that_fails_all_is_shown() -> None:
    done = side_by_side("A=true", "B=echo first; echo last >&2; exit 7")
    assert done.returncode == 7
    assert done.stderr.splitlines()[1:] == [
        "first",
        "last",
        "Installing: B has failed (exit code 7).",
    ]


@pytest.mark.parametrize("columns", [80, 20])
def test_before_rich_is_installed_it_is_drawn_all_the_same(columns: int) -> None:
    hidden = "import sys; sys.modules['rich'] = None\n"
    work = "live_line.part('Collecting pydantic', 'Python')\n"
    written = on_terminal(f"{hidden}{QUICK}{work}{DRAWN}", columns=columns)
    assert "Python: Collecting pydantic"[: columns - 10] in written.drawn[-1]
    assert written.left == []
