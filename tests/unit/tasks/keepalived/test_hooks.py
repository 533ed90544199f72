"""A person's hooks: what is shipped, what is refused, and when they are called."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import settings
from settings.programs import hook_files
from settings.values import ROOT
from tasks.keepalived import configuration, hooks
from tests.support import fakes
from tests.unit.tasks.test_deploy import machines

SH = "#!/bin/sh\ntrue\n"


def made(directory: Path, *names: str, text: str = SH, mode: int = 0o755) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    return directory


def wrong(directory: Path) -> dict[str, str]:
    """What is wrong with each path below `directory`."""
    return {
        path.removeprefix(f"{directory}/"): remedy
        for path, remedy in hook_files.read(str(directory))[1]
    }


def test_what_lies_here_is_right_and_empty() -> None:
    assert hook_files.read("files/hooks") == ([], [])


def test_programs_are_shipped_and_what_is_none_of_them_stays(tmp_path: Path) -> None:
    made(tmp_path, "master.d/20-b.py", "master.d/10-a", "drain.d/x", "fault.d/y")
    made(tmp_path, "README.md", "z.example", "master.d/.gitkeep", "backup.d/README.md", mode=0o644)
    found, mistakes = hook_files.read(str(tmp_path))
    names = [hook.name for hook in found]
    assert names == ["drain.d/x", "fault.d/y", "master.d/10-a", "master.d/20-b.py"]
    assert found[0].path == "/etc/tandem/hooks/drain.d/x" and not mistakes


@pytest.mark.parametrize(
    ("name", "text", "mode", "said"),
    [
        ("masters.d/a", SH, 0o755, "did you mean master.d?"),
        ("Master.d/a", SH, 0o755, "did you mean master.d?"),
        ("bakcup.d/a", SH, 0o755, "did you mean backup.d?"),
        ("stop.d/a", SH, 0o755, "there are master.d, backup.d, fault.d, drain.d"),
        ("10-move", SH, 0o755, "only what is in master.d or backup.d or fault.d or drain.d"),
        ("master.d/a", SH, 0o644, "chmod +x a"),
        ("master.d/a", "true\n", 0o755, "#!/bin/sh"),
        ("master.d/a", "", 0o755, "#!/bin/sh"),
        ("master.d/a", "#!/bin/sh\r\ntrue\r\n", 0o755, "CR LF"),
        ("master.d/a~", SH, 0o755, "a name of letters"),
        ("master.d/.a.swp", SH, 0o755, "a name of letters"),
        ("master.d/a b", SH, 0o755, "a name of letters"),
        ("master.d/a'b", SH, 0o755, "a name of letters"),
        ("master.d/lib/a", SH, 0o755, "it is no file"),
        ("master.d", SH, 0o755, "not a directory"),
    ],
)
def test_what_could_not_be_run_is_refused(
    name: str, text: str, mode: int, said: str, tmp_path: Path
) -> None:
    found, mistakes = hook_files.read(str(made(tmp_path, name, text=text, mode=mode)))
    assert not found
    (((path, remedy)),) = mistakes
    assert said in remedy
    assert f"{tmp_path}/{name}".startswith(path)


def test_all_mistakes_are_told_at_once_for_the_machines_that_have_them(tmp_path: Path) -> None:
    made(tmp_path, "masters.d/a", "master.d/b c", "note.txt")
    (tmp_path / "fault.d").mkdir()
    (tmp_path / "fault.d" / "gone").symlink_to("nowhere")
    assert wrong(tmp_path).keys() == {"masters.d", "master.d/b c", "note.txt", "fault.d/gone"}
    (cluster,) = settings.load(fakes.inventory(hooks=str(tmp_path)))
    found = [str(each) for each in hooks.mistakes([cluster])]
    assert len(found) == 4 * len(cluster.nodes)
    assert re.match(rf"@fake/host1: hooks = '{tmp_path}/", found[0])


def test_a_directory_that_is_not_there_is_refused() -> None:
    ((path, remedy),) = hook_files.read("files/hoks")[1]
    assert path == "files/hoks" and "no such file or directory; give a directory" in remedy


def deployed(directory: Path, **answers: Any) -> list[str]:
    given = {"hooks": str(directory), "vrrp_version": 2}
    hosts = machines("debian12", "debian12", settings=given, answers=answers)
    return fakes.run("deploy.py", hosts)["@fake/host1"]


@pytest.mark.usefixtures("no_download")
def test_they_are_placed_before_and_removed_after_what_names_them(tmp_path: Path) -> None:
    commands = deployed(
        made(tmp_path / "own", "master.d/10-a"),
        **{"find /etc/tandem/hooks": ["/etc/tandem/hooks/master.d/10-a", "/etc/tandem/hooks/old"]},
    )
    places = [
        next(i for i, command in enumerate(commands) if re.search(pattern, command))
        for pattern in (
            r"mv -fT \S+ /etc/tandem/hooks/master\.d/10-a\b",
            r"mv -fT \S+ /etc/keepalived/notify\.sh\b",
            r"^rm -rf -- /etc/tandem/hooks/old$",
        )
    ]
    assert places == sorted(places)
    assert "chmod 755" in commands[places[0]]


def test_they_go_back_with_keepalived(tmp_path: Path) -> None:
    given = {"hooks": str(made(tmp_path, "fault.d/a"))}
    hosts = machines("debian12", "debian12", settings=given)
    node, cluster = settings.of(hosts.get_host("@fake/host1"))
    machine: Any = type("Machine", (), {"systemd": True})
    assert "/etc/tandem/hooks/fault.d/a" in configuration.files(node, cluster, machine)


def test_the_example_calls_the_api_with_what_it_is_told(tmp_path: Path) -> None:
    """Its words; tests/lab has a server that answers."""
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$0.words"\ncat >"$0.config"\n')
    fake.chmod(0o755)
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    text = (ROOT / "files/hooks/master.d/floating-address.example").read_text()
    text = text.replace("/etc/floating-address.token\n", f"{token}\n")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TANDEM_HOST": "host2"}
    subprocess.run(
        ["sh", "-s"], input=text, text=True, check=True, env=environment | {"TANDEM_VIP": "1.2.3.4"}
    )
    words = (tmp_path / "curl.words").read_text().splitlines()
    assert words[words.index("--config") + 1] == "-"
    config = (tmp_path / "curl.config").read_text()
    assert config == 'header = "Authorization: Bearer t0ken"\n'
    assert not any("t0ken" in word for word in words), "whoever is on the machine could read it"
    assert '{"server": "host2", "address": "1.2.3.4"}' in words
    assert words[-1] == "https://api.example.net/v1/floating_ips/1234/assign"
