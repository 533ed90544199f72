"""The kernel's limits: raised only where they are too low, and put back to what they were."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import settings
from tasks.machine.limits import KernelLimits, Limits, needed, rendered, still_needed, too_low
from tasks.machine.survey import mismatches, parse_survey
from tests.support import fakes

NOW = {"net.core.somaxconn": 4096, "net.ipv4.tcp_max_syn_backlog": 2048, "fs.nr_open": 1048576}
ENOUGH = {"net.core.somaxconn": 511, "net.ipv4.tcp_max_syn_backlog": 511, "fs.nr_open": 8704}
MORE = ENOUGH | {"net.core.somaxconn": 8192}


def found(text: str, **now: int) -> Limits:
    lines = [f"now {name} {value}" for name, value in (NOW | now).items()]
    lines += [f"file {line}" for line in text.splitlines()]
    return KernelLimits().process(lines)


def test_a_kernel_that_allows_enough_is_left_alone() -> None:
    assert rendered(too_low(found(""), ENOUGH)) == ""


def test_only_what_is_too_low_is_raised_and_says_why() -> None:
    text = rendered(too_low(found(""), MORE))
    assert "net.core.somaxconn = 8192\n" in text
    assert "; it was 4096\n" in text
    assert "tcp_max_syn_backlog" not in text


def test_what_was_raised_stays_the_next_time_and_its_first_value_is_not_forgotten() -> None:
    text = rendered(too_low(found(""), MORE))
    later = found(text, **{"net.core.somaxconn": 8192})
    assert later.text == text
    assert later.before == {"net.core.somaxconn": 4096}
    assert rendered(too_low(later, MORE)) == text
    assert rendered(too_low(later, ENOUGH)) == ""


def test_a_sysctl_that_a_machine_has_not_is_none_of_ours() -> None:
    assert too_low(Limits({}, {}, ""), MORE) == {}


def test_what_a_rollback_would_listen_on_stays_possible() -> None:
    name = "net.ipv4.ip_nonlocal_bind"
    text = rendered({name: (0, 1)})
    assert "listening on a VIP while another machine has it; it was 0\n" in text
    needs = needed(settings.load(fakes.inventory())[0].preferred, 1, ["172.16.12.254"])
    assert needs[name] == 1 and not any("ipv6" in each for each in needs)
    now = [f"now {name} 1", *(f"file {line}" for line in text.splitlines())]
    assert still_needed(KernelLimits().process([*now, "kept 172.16.12.254"])) == {name: 1}
    assert still_needed(KernelLimits().process(now)) == {}
    # One that a person has set is left alone.
    assert still_needed(KernelLimits().process([f"now {name} 1", "kept 172.16.12.254"])) == {}


@pytest.mark.parametrize("etc", ["etc/nginx", "var/lib/tandem/nginx/generations/one/etc"])
@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        *((f"{level}/a.conf", True) for level in ("conf.d", "http.d", "stream.d", "main.d")),
        ("server.d/www.example.org/a.conf", True),
        ("files/snippets/listen", True),
        ("files/sites/a.conf", True),
        ("listen.conf", True),
        # Tandem's own listen on no address alone, and have the VIP as a name, or as a client.
        ("nginx.conf", False),
        ("sites/www.example.org.conf", False),
    ],
)
def test_a_vip_is_looked_for_wherever_a_listen_may_stand(
    tmp_path: Path, etc: str, name: str, keeps: bool
) -> None:
    file = tmp_path / etc / name
    file.parent.mkdir(parents=True)
    file.write_text("server {\n  listen\n  172.16.12.254:81;\n}\n")
    command = KernelLimits().command(("172.16.12.254", "172.16.12.25"))
    command = re.sub(r"(?<=[ '])/(?=etc/nginx|var/lib/tandem)", f"{tmp_path}/", command)
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert not said.stderr
    found = KernelLimits().process(said.stdout.splitlines())
    assert found.kept == (frozenset({"172.16.12.254"}) if keeps else frozenset())


@pytest.mark.parametrize(
    ("capabilities", "files", "fits"),
    [("0", "8192", False), ("0", "8704", True), ("0", "", True), ("1ffffffffff", "8192", True)],
)
def test_a_container_that_cannot_raise_its_limit_is_refused(
    capabilities: str, files: str, fits: bool
) -> None:
    text = fakes.survey().replace("000001ffffffffff", f"{capabilities}\n{files}")
    node = settings.load(fakes.inventory())[0].preferred
    found = [mistake.setting for mistake in mismatches(node, parse_survey(text))]
    assert found == ([] if fits else ["worker_connections"])
