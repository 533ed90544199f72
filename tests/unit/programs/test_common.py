"""What the programs share."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from controller import rendering
from tests.support import programs

machine_files = programs.load("common.machine_files")
commands = programs.load("common.commands")
linux_processes = programs.load("common.linux_processes")
timing = programs.load("common.timing")
journal = programs.load("common.journal")
health_request = programs.load("common.health_request")


def test_a_file_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    assert machine_files.read(tmp_path / "none") == ""
    assert machine_files.content(tmp_path / "none") is None
    (tmp_path / "one").write_bytes(b" \xff1\n")
    assert machine_files.read(tmp_path / "one") == "\ufffd1"


def test_a_file_is_replaced_by_a_rename_with_its_mode_and_only_if_it_differs(
    tmp_path: Path,
) -> None:
    path = tmp_path / "new" / "file"
    assert machine_files.write(str(path), b"1", 0o640)
    inode = path.stat().st_ino
    assert not machine_files.write(str(path), b"1", 0o640)
    assert path.stat().st_ino == inode
    (path.parent / ".file.new").write_text("what a killed run has left")
    assert machine_files.write(str(path), b"2", 0o600)
    assert path.stat().st_ino != inode and path.read_text() == "2"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_key_that_somebody_has_opened_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    machine_files.write(str(path), b"KEY", 0o600)
    path.chmod(0o644)
    assert not machine_files.write(str(path), b"KEY", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_command_tells_its_exit_code_and_what_it_printed() -> None:
    done = commands.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert done == (3, "out", "err") and done.message == "err\nout"
    assert commands.run("sh", "-c", "exit 3").message == "exit 3"
    assert commands.run("cat") == (0, "", ""), "it has no input"
    missing = commands.run("/no/such/program")
    assert missing.code == 127 and missing.output == "" and "/no/such/program" in missing.message


def test_a_command_that_takes_too_long_ends_even_if_a_grandchild_holds_its_output() -> None:
    """In a process of its own: pyinfra has put another subprocess module into this one."""
    script = (
        "from common.commands import run; "
        "print(run('sh', '-c', 'sleep 5 & echo out; sleep 5', timeout_s=0.2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(rendering.FILES), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=4,
    )
    assert done.stdout == "CommandResult(code=124, output='', errors='no answer within 0.2 s')\n"


def test_a_process_is_known_by_its_name_whatever_that_is(tmp_path: Path) -> None:
    name = tmp_path / "a) b (c"
    name.symlink_to("/bin/sleep")
    with subprocess.Popen([str(name), "60"]) as process:
        assert timing.wait_for(lambda: linux_processes.stat(process.pid) == ("a) b (c", "S"), 5), (
            linux_processes.stat(process.pid)
        )
        assert linux_processes.children(os.getpid()).count(process.pid) == 1
        process.kill()
    assert linux_processes.stat(process.pid) == ("", "")
    assert linux_processes.open_pidfd(process.pid) is None


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("Name:\tnginx\nPid:\t7\nNSpid:\t7\n", True),
        ("Name:\tnginx\nPid:\t7\nNSpid:\t7\t1\n", False),
        ("Name:\tnginx\nPid:\t7\n", True),
        ("", False),
    ],
    ids=["ours", "a container's", "before Linux 4.1", "nobody's"],
)
def test_a_containers_process_is_none_of_ours(
    monkeypatch: pytest.MonkeyPatch, status: str, ours: bool
) -> None:
    texts = {"/proc/7/status": status.strip(), "/proc/7/stat": "7 (nginx) S 1 7" if status else ""}
    monkeypatch.setattr(linux_processes, "read", texts.__getitem__)
    monkeypatch.setattr(os, "pidfd_open", lambda pid: pid, raising=False)
    assert linux_processes.ours(7) is ours
    assert linux_processes.stat(7) == (("nginx", "S") if ours else ("", ""))
    assert linux_processes.open_pidfd(7) == (7 if ours else None)


def test_waiting_ends_with_the_first_true_answer_or_the_last_one() -> None:
    answers = iter(["", "", "yes", "no"])
    assert timing.wait_for(lambda: next(answers), 5, 0.001) == "yes"
    assert timing.wait_for(lambda: 0, 0.01, 0.001) == 0


def test_no_real_time_priority_is_said_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    timing.in_real_time()
    assert capsys.readouterr().err == "no real-time priority: Operation not permitted\n"


def test_a_reader_that_has_disconnected_interrupts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Gone:
        def write(self, text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    journal.say("to nobody")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nok", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\nX: 200 \r\n\r\n", "answers 'HTTP/1.1 503 Service"),
        (b"", "answers '' to GET /tandem-health"),
        (None, "does not answer on port"),
    ],
)
def test_only_success_in_time_is_health(answer: bytes | None, problem: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(1024)
                if answer is None:
                    time.sleep(0.5)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = health_request.problem("127.0.0.1", port, 0.2)
        thread.join()
    assert found.startswith(problem) and bool(found) == bool(problem)
