"""`checks`: what is refused, and what keepalived is given in both profiles."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

import settings
from controller import rendering
from tasks.keepalived import configuration
from tests.support import fakes

APP = {"command": "/usr/local/bin/check-app 8080", "weight": 1}
THREE = {
    f"@fake/host{number}": {
        "ssh_hostname": f"172.16.12.6{number}",
        "priority": 104 - number,
        "page": "p",
    }
    for number in (1, 2, 3)
}


def mistakes(checks: Any, hosts: Any = None, **more: Any) -> list[str]:
    try:
        settings.load(fakes.inventory(*([hosts] if hosts else []), checks=checks, **more))
    except settings.SettingsError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def rendered(checks: Any, **more: Any) -> str:
    (cluster,) = settings.load(fakes.inventory(checks=checks, **more))
    profile = "classic" if cluster.preferred.classic else "fast"
    return rendering.render(
        f"keepalived/{profile}.conf.j2", node=cluster.preferred, cluster=cluster, realtime=True
    )


def test_a_check_is_rendered_with_what_makes_it_count() -> None:
    leaves = {"command": ["/opt/x", "a=b"], "leave": True, "interval_s": 7, "timeout_s": 3}
    text = rendered({"app": APP | {"weight": 2}, "db": leaves | {"fall": 4, "rise": 5}})
    app, db = (
        re.split(r"\s+", block) for block in re.findall(r"vrrp_script own_.*?\}", text, re.S)
    )
    assert " ".join(app) == (
        'vrrp_script own_app { script "/usr/local/bin/check-app 8080" '
        "interval 2 timeout 2 fall 2 rise 2 weight -4 }"
    )
    assert " ".join(db) == (
        'vrrp_script own_db { script "/opt/x a=b" interval 7 timeout 3 fall 4 rise 5 weight 0 }'
    )
    assert re.search(r"track_script \{\s+(chk_\w+\s+)+own_app\s+own_db\s+\}", text)
    # More than the check, and more than both.
    assert re.search(r"weight\s+-6\n.*\n?\}", text) and re.search(r"weight\s+-12\n\}", text)


def test_the_classic_profile_has_them_too_once_its_own_weights_are_higher() -> None:
    given = {"vrrp_version": 2, "nginx_weight": -4, "maintenance_weight": -6}
    text = rendered({"app": APP}, **given)
    assert "own_app {" in text and re.search(r"chk_own_address\s+own_app\s+\}", text)
    (low, lower) = mistakes({"app": APP}, vrrp_version=2)
    assert "nginx_weight = -2: cannot move the VIP" in low and "give -4 or less" in low
    assert "maintenance_weight = -2" in lower


def test_a_priority_below_one_is_refused() -> None:
    hosts = {
        name: data | {"priority": 9 - place} for place, (name, data) in enumerate(THREE.items())
    }
    given = {"vrrp_version": 2, "nginx_weight": -8, "maintenance_weight": -8}
    (said,) = mistakes({"app": APP}, hosts, **given)
    assert "priority = 7" in said and "below 1" in said


def test_so_much_weight_that_there_is_no_room_is_refused() -> None:
    assert not mistakes({"app": APP | {"weight": 30}})
    (said,) = mistakes({"app": APP | {"weight": 30}, "b": APP})
    assert "checks = 'weights of 31 together': 2 nodes have room for 30 in all" in said
    (said,) = mistakes({"app": APP | {"weight": 21}}, THREE)
    assert "3 nodes have room for 20 in all" in said


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"command": "check-app", "weight": 1}, "an absolute path and its arguments"),
        ({"command": ["./check"], "weight": 1}, "absolute path"),
        ({"command": [], "weight": 1}, "an absolute path and its arguments"),
        ({"command": "", "weight": 1}, "an absolute path and its arguments"),
        ({"command": 5, "weight": 1}, "an absolute path and its arguments"),
        *(
            ({"command": ["/usr/bin/x", f"a{nasty}b"], "weight": 1}, "let it be a script")
            for nasty in "!#\"$\\{}'`;&|<>()*? \n\té"
        ),
        *(
            ({"command": path, "weight": 1}, said)
            for path, said in {
                "/bin/test -e /x": "/bin is a link to /usr/bin, and keepalived 2.3 runs nothing "
                "behind a link: give /usr/bin/test",
                "/sbin/x": "give /usr/sbin/x",
                "/lib/app/check": "give /usr/lib/app/check",
                "/usr/bin/../lib/x": "without detours: /usr/lib/x",
                "//usr/bin/x": "without detours: /usr/bin/x",
                "/usr//bin/x": "without detours: /usr/bin/x",
                "/usr/bin/x/": "without detours: /usr/bin/x",
                "/home/app/check": "keepalived sees no home directories",
                "/root/check": "bring it to a directory like /usr/local/bin",
                "/tmp/check": "keepalived has a /tmp and a /var/tmp of its own",
            }.items()
        ),
        (APP | {"leave": True}, "one of them"),
        ({"command": "/opt/x"}, "one of them"),
        ({"command": "/opt/x", "leave": False}, "one of them"),
        ("/usr/bin/true", "one of them"),
        (APP | {"weight": 0}, "give 1 to 61"),
        (APP | {"weight": -2}, "give 1 to 61"),
        (APP | {"interval_s": 0}, "give 1 to 3600 whole seconds"),
        (APP | {"interval_s": 0.5}, "give 1 to 3600 whole seconds"),
        (APP | {"timeout_s": 4000}, "give 1 to 3600 whole seconds"),
        (APP | {"fall": 0}, "give 1 to 100"),
        (APP | {"intervall_s": 1}, "did you mean interval_s?"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_would_be_right(check: Any, said: str) -> None:
    found = mistakes({"app": check})
    assert found and all("checks[app]" in each for each in found), found
    assert any(said in each for each in found), found


@pytest.mark.parametrize("name", ["App", "a b", "", "1a", "a" * 21, "a{"])
def test_a_name_that_keepalived_or_a_person_would_read_as_another_is_refused(name: str) -> None:
    (said,) = mistakes({name: APP})
    assert "lower-case letters" in said


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes({"a": APP | {"fall": 0}, "b": {"command": "x", "weight": 1}, "C": APP})
    assert len(found) == 3


def test_a_check_of_one_machine_alone_is_refused() -> None:
    """What it takes off would not be the same on all."""
    hosts = {name: dict(data) for name, data in THREE.items()}
    hosts["@fake/host2"]["checks"] = {"app": APP}
    (said,) = mistakes({}, hosts)
    assert "give every machine of a cluster the same" in said


def test_a_command_that_is_not_there_is_named_before_keepalived_reads_it() -> None:
    there = {"command": "/usr/bin/sh -c x", "weight": 1}
    (cluster,) = settings.load(fakes.inventory(checks={"a": there, "b": APP, "c": there}))
    shell = configuration._commands_there(cluster.preferred).format(new="/x")
    done = subprocess.run(["sh", "-c", f"{shell}echo goes on"], capture_output=True, text=True)
    assert done.returncode == 1 and "goes on" not in done.stdout
    assert done.stderr.endswith("bring it there first: /usr/local/bin/check-app\n")
    (cluster,) = settings.load(fakes.inventory(checks={"a": there}))
    shell = configuration._commands_there(cluster.preferred).format(new="/x")
    assert subprocess.check_output(["sh", "-c", f"{shell}echo goes on"]) == b"goes on\n"
