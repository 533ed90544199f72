"""What a deploy asks of machines that cannot be had here, and of those it must refuse.

The machines are pyinfra's @fake connector: this shows what is asked, never that it works.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import pytest
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.fake import FakeConnector

import settings
from controller import source
from settings import SettingsError
from tasks.nginx import service
from tests.support import fakes

pytestmark = pytest.mark.usefixtures("no_download")


def machines(
    *distributions: str,
    answers: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    **survey: Any,
) -> Any:
    hosts: dict[str, dict[str, Any]] = {}
    for index, distribution in enumerate(distributions, start=1):
        address = f"172.16.12.6{index}"
        answer = fakes.survey(distribution, **({"address": address} | survey))
        hosts[f"@fake/host{index}"] = {
            "ssh_hostname": address,
            "priority": 102 - index,
            "page": f"page {index}",
            "fake_responses": {"/etc/os-release": answer} | (answers or {}),
        }
    return fakes.inventory(hosts, **(settings or {}))


def test_a_flag_that_the_source_does_not_know_is_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = ["--with-a", "--with-b", "--with-c"]
    wrong = {"--with-a": "--with-aa", "--with-c": ""}
    monkeypatch.setattr(source, "unknown_flags", lambda tarball, flags: wrong)
    hosts = machines("debian12", "debian12", settings={"nginx_extra_flags": flags})
    with pytest.raises(SettingsError) as refused:
        fakes.run("deploy.py", hosts)
    said = [str(each) for each in refused.value.mistakes]
    assert len(said) == 2 and said[0].endswith("no such option; did you mean --with-aa?")
    for host in hosts:
        assert not [each for each in host.connector.executed_commands if "apt-get" in each]


def test_perl_brings_what_compiles_it_to_each_family_and_its_flag() -> None:
    asked = fakes.run("deploy.py", machines("debian12", "rocky9", settings={"perl": True}))
    debian, redhat = ("\n".join(commands) for commands in asked.values())
    assert "libperl-dev" in debian
    assert "perl-devel perl-ExtUtils-Embed perl-interpreter" in redhat
    for commands in (debian, redhat):
        assert commands.count("--with-http_perl_module") == 1


def test_a_cache_is_made_and_its_directory_kept_over_boots() -> None:
    given: dict[str, Any] = {
        "upstreams": {"app": {"servers": ["10.0.0.11:80"]}},
        "proxy": {"/": "app"},
        "cache": {"path": "/srv/kept"},
    }
    here = settings.of(fakes.inventory(**given).get_host("@fake/host1"))[0]
    assert here.cache and "d /srv/kept 0700 nginx nginx -" in service.directories(here)


def test_each_family_gets_its_packages_and_its_clock() -> None:
    asked = fakes.run("deploy.py", machines("debian12", "rocky9"))
    debian, redhat = ("\n".join(commands) for commands in asked.values())
    assert "libpcre2-dev libssl-dev zlib1g-dev" in debian
    assert "ntpdate -b 172.16.0.1" in debian
    assert "package-manager 300 dnf" not in debian
    assert "dnf install gcc make glibc-devel pcre2-devel openssl-devel zlib-devel" in redhat
    assert "chronyd -q -t 20 'server 172.16.0.1 iburst'" in redhat
    assert "package-manager 300 apt-get" not in redhat


def test_the_build_gets_the_documented_flags() -> None:
    asked = fakes.run("deploy.py", machines("debian12", "rocky9"))
    for commands in asked.values():
        (build,) = (c for c in commands if c.startswith("/usr/lib/tandem/build-nginx compile"))
        assert build.count(" --") == 19
        assert build.endswith("--http-scgi-temp-path=/var/tmp/nginx/scgi --with-pcre")


@pytest.mark.parametrize(
    ("serves", "expected"),
    [
        # The standby's services are started before the preferred node's are looked at.
        (
            True,
            [
                *({"@fake/host2 nginx"}, {"@fake/host2 keepalived"}),
                *({"@fake/host1 nginx"}, {"@fake/host1 keepalived"}),
            ],
        ),
        # There is nothing yet that the one could keep up while the other starts: at once.
        (
            False,
            [
                {"@fake/host1 nginx", "@fake/host2 nginx"},
                {"@fake/host1 keepalived", "@fake/host2 keepalived"},
            ],
        ),
    ],
)
def test_machines_take_turns_the_standby_first_once_any_serves(
    serves: bool, expected: list[set[str]]
) -> None:
    order: list[str] = []
    run = FakeConnector.run_shell_command

    def noting(self: Any, command: Any, *words: Any, **options: Any) -> Any:
        started = re.match(r"/usr/lib/tandem/apply-(nginx|keepalived) (apply|start)", str(command))
        if started:
            order.append(f"{self.host.name} {started[1]}")
        return run(self, command, *words, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConnector, "run_shell_command", noting)
        fakes.run("deploy.py", machines("debian12", "debian12", serves=serves))
    assert len(order) == 4
    left = iter(order)
    assert [set(islice(left, len(step))) for step in expected] == expected


def test_what_nginx_warns_of_is_shown_once_for_all_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(logger, "warning", shown.append)
    says = {"apply-nginx stage": ["nginx: [warn] conflicting", "no warning"]}
    given = {
        "upstreams": {"app": {"servers": ["10.0.0.11:80"]}},
        "proxy": {"/api/": "app"},
        "sites": [{"server_names": ["www.example.org"], "page": "a site"}],
    }
    fakes.run("deploy.py", machines("debian12", "debian12", answers=says, settings=given))
    about_nginx = [line for line in shown if "nginx: [warn]" in line]
    assert about_nginx == ["@fake/host1, @fake/host2: nginx: [warn] conflicting"]
    (about_proxy,) = [line for line in shown if "proxy" in line]
    assert about_proxy.startswith("web: proxy (/api/) is for requests that name no site: www.")


@pytest.mark.parametrize("check", ["apply-nginx stage", "--config-test"])
def test_a_configuration_that_its_own_test_refuses_changes_no_machine(check: str) -> None:
    says = {check: {"success": False, "stderr": "[emerg] unknown directive"}}
    refused = machines("debian12", "debian12", answers=says)
    with pytest.raises(PyinfraError):
        fakes.run("deploy.py", refused)
    for host in refused:
        asked = host.connector.executed_commands
        assert any(check in command for command in asked)
        assert not any(re.search("apply-nginx apply|keepalived start", one) for one in asked)


def refusal(machines_: Any) -> str:
    with pytest.raises(settings.SettingsError) as caught:
        fakes.run("deploy.py", machines_)
    for host in machines_:
        changed = [c for c in host.connector.executed_commands if "os-release" not in c]
        assert not changed, "nothing may be asked of a machine after it was found unfit"
    return str(caught.value)


def test_a_missing_interface_is_found_before_anything_is_changed() -> None:
    said = refusal(machines("debian12", "debian12", interface="ens3"))
    assert "host1, @fake/host2: interface = 'eth0'" in said
    assert "it has ens3" in said


def test_what_is_unfit_about_any_machine_is_said_at_once() -> None:
    said = refusal(machines("alpine", "debian12", init="runit", free_mb=3))
    assert "Alpine Linux" in said
    assert "Tandem knows systemd and SysV's init" in said
    assert "make room" in said


def test_an_address_that_the_machine_does_not_have_is_refused() -> None:
    said = refusal(machines("debian12", "debian12", address="172.16.99.9"))
    assert "eth0 has 172.16.99.9" in said


def test_a_machine_that_was_taken_out_and_still_takes_part_is_refused() -> None:
    peers = ["172.16.12.61", "172.16.12.62", "172.16.12.69"]
    serves = {"tandem-health": ["http://172.16.12.69:80/tandem-health"]}
    left = machines("debian12", "debian12", answers=serves, peers=peers)
    with pytest.raises(settings.SettingsError) as caught:
        fakes.run("deploy.py", left)
    assert "web: peer = '172.16.12.69': it was a machine of web" in str(caught.value)
    for host in left:
        changed = [c for c in host.connector.executed_commands if "os-release" not in c]
        assert all(c.startswith("curl -qfs --noproxy '*' ") for c in changed)
