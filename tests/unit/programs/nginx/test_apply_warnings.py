"""What nginx warns of: told, with the files; and refused where a name of Tandem's is taken."""

from __future__ import annotations

import pytest

from tests.support import programs
from tests.support.nginx_processes import failed
from tests.unit.programs.conftest import Disk
from tests.unit.programs.rehearsing.test_apply_rehearsal import CommandResult, commands

program = programs.load("apply_nginx.nginx_warnings")
rehearsal = programs.load("apply_nginx.rehearsal")
worker_paths = programs.load("apply_nginx.worker_paths")
taken_ports = programs.load("apply_nginx.taken_ports")

CONFLICT = 'nginx: [warn] conflicting server name "{}" on {}:80, ignored'
OURS = "http {\n server { server_name _; }\n server { server_name www.example.org; }\n}"


def files(disk: Disk, **snippets: str) -> list[tuple[str, str]]:
    texts = {f"conf.d/{name}.conf": text for name, text in snippets.items()}
    found = {"nginx.conf": OURS} | texts
    return [(str(disk.etc / path), text) for path, text in found.items()]


def test_warnings_are_printed_once_and_with_the_files(
    disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "\n".join(
        [
            CONFLICT.format("a.org", "0.0.0.0"),
            CONFLICT.format("a.org", "[::]"),
            'nginx: [warn] the "listen ... http2" directive is deprecated in x:1',
            'nginx: [warn] the "listen ... http2" directive is deprecated in x:1',
            "nginx: [emerg] no warning",
        ]
    )
    snippets = files(disk, a="server {\n server_name A.org; }", b="server { server_name a.org; }")
    assert program.tell(said, snippets) == []
    a, b = disk.etc / "conf.d" / "a.conf", disk.etc / "conf.d" / "b.conf"
    assert capsys.readouterr().out.splitlines() == [
        f"{CONFLICT.format('a.org', '0.0.0.0')}: in {a}:2 and {b}:1",
        'nginx: [warn] the "listen ... http2" directive is deprecated in x:1',
    ]


def test_a_name_that_tandem_writes_is_not_taken(
    disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    snippets = files(disk, hand="server { server_name www.example.org; }")
    (fault,) = program.judge(CONFLICT.format("www.example.org", "0.0.0.0"), snippets)
    assert fault.startswith(
        f'{disk.etc}/conf.d/hand.conf:1: server_name "www.example.org" on 0.0.0.0:80 is in '
        f"{disk.etc}/nginx.conf:3, too"
    )
    assert program.tell(CONFLICT.format("www.example.org", "0.0.0.0"), snippets) == []


def test_a_name_on_another_port_is_not_tandems(disk: Disk) -> None:
    own = "server { listen 8080; server_name _; }"
    said = CONFLICT.format("_", "0.0.0.0").replace(":80,", ":8080,")
    assert program.faults_in(said, files(disk, a=own, b=own)) == []
    # And it hides none that is.
    both = f"{said}\n{CONFLICT.format('_', '0.0.0.0')}"
    (fault,) = program.faults_in(both, files(disk, a=own, b="server { server_name _; }"))
    assert "b.conf:1" in fault and "a.conf" not in fault


@pytest.mark.parametrize("other", ["B.example.org", ".b.example.org"])
def test_two_of_tandems_own_are_a_fault_as_well(disk: Disk, other: str) -> None:
    """Nobody would reach the second, whoever has written both."""
    first = "server { listen 80; server_name a.example.org b.example.org; }"
    sites = [
        (str(disk.etc / "sites" / "a.example.org.conf"), first),
        (str(disk.etc / "sites" / "b.conf"), f"server {{ listen 80; server_name {other}; }}"),
    ]
    (fault,) = program.faults_in(CONFLICT.format("b.example.org", "0.0.0.0"), sites)
    assert fault == (
        f'{disk.etc}/sites/b.conf:1: server_name "b.example.org" on 0.0.0.0:80 is in '
        f"{disk.etc}/sites/a.example.org.conf:1, too, and Tandem writes both: nginx would serve "
        "one of them alone. Take it out of one of them (sites)"
    )
    once = [sites[0], (sites[1][0], "server { listen 81; server_name b.example.org; }")]
    assert program.faults_in(CONFLICT.format("b.example.org", "0.0.0.0"), once) == []


def test_two_of_a_persons_own_are_only_told(disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    snippets = files(disk, a="server { server_name a.org; }", b="server { server_name a.org; }")
    assert program.judge(CONFLICT.format("a.org", "0.0.0.0"), snippets) == []
    assert program.judge(CONFLICT.format("", "0.0.0.0"), files(disk, a="server {}")) == []


def test_what_is_staged_newly_is_refused_and_what_has_served_is_not(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_paths, "faults", lambda *its: [])
    monkeypatch.setattr(taken_ports, "faults", lambda files: [])
    dump = "".join(
        f"# configuration file {path}:\n{text}\n"
        for path, text in files(disk, a="server { server_name _; }")
    )
    answer = CommandResult(0, dump, CONFLICT.format("_", "0.0.0.0"))
    wanted = disk.generation("one")
    commands(disk, monkeypatch, answer, answer, answer)
    with pytest.raises(failed(), match=r'conf\.d/a\.conf:1: server_name "_" .* too, which Tandem'):
        rehearsal.check_configuration(wanted, (), program.judge)
    rehearsal.check_configuration(wanted, (), program.tell)
    rehearsal.check_configuration(wanted)
