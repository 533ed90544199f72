"""Where an answer ends, and what comes before an HTTP answer."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.snapshots import BOTH, DEFAULT, EVERYTHING, Spoiled
from verify.checks.check import Outcome
from verify.observe.probe import END, ShellProbe, told, whole
from verify.read import http_output
from verify.read.lists import counted, listed

# --- where an answer ends ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said", "status"),
    [
        ("echo one; echo two", "one\ntwo", 0),
        ("printf 'no end of line'", "no end of line", 0),
        ("echo gone; exit 3", "gone", 3),
        ("no-such-program", "", 127),
        ("true", "", 0),
        ('echo a | { read -r it; echo "$it"; exit 4; }', "a", 4),
    ],
)
@pytest.mark.parametrize("run", ['sh -c "$0"', '(eval "$0")'])
def test_an_answer_ends_with_its_mark_whatever_the_command_does(
    command: str, said: str, status: int, run: str
) -> None:
    asked = told("any", command)
    assert asked.text == command
    done = subprocess.run(["sh", "-c", run, asked.command], capture_output=True, text=True)
    assert (whole(done.stdout), done.returncode) == (said, status)


@pytest.mark.parametrize("text", ["", "one\ntwo", f"one\n{END}\nmore", f"{END} one", END])
def test_an_answer_without_its_mark_was_cut_off(text: str) -> None:
    with pytest.raises(ValueError, match="cut off"):
        whole(text)


def test_nothing_is_said_and_not_left_out() -> None:
    assert listed("none") == [] and listed("a\nb") == ["a", "b"]
    assert counted("0 things", "{} things") == [] and counted("a\n1 things", "{} things") == ["a"]
    for silence in ("", "\n", "a\n\nb"):
        with pytest.raises(ValueError):
            listed(silence)
    for wrong in ("", "a", "a\nb\n1 things", "2 things"):
        with pytest.raises(ValueError):
            counted(wrong, "{} things")


def test_a_probe_that_was_given_its_end_is_shown_without_it() -> None:
    assert told("a", "ls /").text == "ls /" and told("a", "ls /", "look").text == "look"
    assert isinstance(told("a", "ls /"), ShellProbe)


# --- HTTP ----------------------------------------------------------------------------------------

OK = "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\na page\n"
HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize(
    "before",
    [
        HINTS,
        HINTS * 3,
        "HTTP/1.1 100 Continue\r\n\r\n" + HINTS,
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 Connection Established\r\nProxy-Agent: x\r\n\r\n" + HINTS,
        "HTTP/2 103 \r\nlink: </a.css>\r\n\r\n",
    ],
)
def test_what_comes_before_an_answer_is_not_the_answer(before: str) -> None:
    answer = http_output.response(f"{before}{OK}\n0.000260", timed=True)
    assert (answer.status, answer.headers["server"], answer.body) == (200, "nginx", "a page\n")
    plain = http_output.response(before + OK.replace("HTTP/1.1 200 OK", "HTTP/2 200 "))
    assert (plain.status, plain.body) == (200, "a page\n")


@pytest.mark.parametrize(
    "text", [HINTS, HINTS + "a page", "HTTP/1.1 200 OK\r\nServer: ng", "HTTP/1.1 200 OK\r\n", ""]
)
def test_an_answer_without_a_whole_head_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no HTTP answer"):
        http_output.response(text)


def test_early_hints_are_no_fault() -> None:
    spoiled = Spoiled(DEFAULT)
    for host in BOTH:
        for probe in ("nginx_page", "page:vip", f"page:{'host1' if host == 'host2' else 'host2'}"):
            spoiled.replace(host, probe, "HTTP/1.1 200", f"{HINTS}HTTP/1.1 200")
    assert spoiled.judge().passed


def test_counters_that_were_cut_off_are_none() -> None:
    body = http_output.response(DEFAULT["looks"]["host1"]["sections"]["nginx_status"]["text"]).body
    assert http_output.stub_status(body)
    for length in range(len(body.rstrip()) - 1):
        with pytest.raises(ValueError):
            http_output.stub_status(body[:length])


@pytest.mark.parametrize("status", [2, 6, 27, 127])
def test_what_befell_curl_itself_is_no_word_about_the_other_side(status: int) -> None:
    spoiled = Spoiled(EVERYTHING)
    spoiled.answer("host1", "metrics_node:host2", "curl: (27) Out of memory", status)
    (finding,) = spoiled.judge("MET-02").bad
    assert (finding.host, finding.outcome) == ("host2", Outcome.UNKNOWN)
