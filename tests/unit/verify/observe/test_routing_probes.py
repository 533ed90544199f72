"""What a routed cluster's machines are asked, run by a shell: no password leaves a machine."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from settings import Node
from settings.values import HIDDEN
from tests.support.snapshots import DEFAULT, ROUTED, Spoiled, said
from tests.unit.verify.checks.routing.test_wanted_configuration import ROUTER, ROUTER6, cluster
from verify.observe import http_probes
from verify.observe.probe import ShellProbe, whole
from verify.observe.probes import all_probes
from verify.observe.routing import bird_probes, mesh_probes
from verify.read.routing import bird_output, mesh_output

PASSWORD = "a pass; word {with} 'all' \\1 $x & # in it"


def node(*passwords: str) -> Node:
    routers = [
        ROUTER
        | {"address": f"172.16.12.{number}"}
        | ({"password_command": ("printf", "%s", given)} if given else {})
        for number, given in enumerate(passwords, start=1)
    ]
    return cluster(*routers).preferred


def printed(probe: ShellProbe, *places: tuple[str, Path], path: str = "") -> str:
    command = probe.command
    for old, new in places:
        assert old in command
        command = command.replace(old, shlex.quote(str(new)))
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment)
    assert not done.stderr
    return whole(done.stdout)


def conf(tmp_path: Path, *passwords: str) -> tuple[str, Path]:
    """A file as a deploy writes it; with no end of line, and one password on a line of its own."""
    sessions = [
        f"protocol bgp router_{number} from routers {{\n    local as 65010;\n"
        + (f'    # Both.\n    password\n    "{given}";\n' if given else "")
        + "    bfd on;\n}"
        for number, given in enumerate(passwords, start=1)
    ]
    head = [
        "# protocol bgp of_a_comment {",
        "router id 172.16.12.61;",
        "template bgp routers { hold time 9; }",
    ]
    text = "\n".join([*head, *sessions])
    (tmp_path / "bird.conf").write_text(text)
    return bird_probes.BIRD_CONF, tmp_path / "bird.conf"


def probe(of: Node, name: str) -> ShellProbe:
    (bundle,) = bird_probes.bundles(of)
    return next(each for each in bundle.probes if each.name == name)


@pytest.mark.parametrize(
    ("wanted", "there", "same"),
    [
        ((PASSWORD, ""), (PASSWORD, ""), (True, True)),
        ((PASSWORD, ""), (PASSWORD, "x"), (True, False)),
        ((PASSWORD, "x"), ("x", ""), (False, False)),
        (("x",), ("x ",), (False,)),
        (("",), ("",), (True,)),
        (("",), ("", ""), (True, False)),
    ],
)
def test_passwords_are_compared_where_they_are(
    tmp_path: Path, wanted: tuple[str, ...], there: tuple[str, ...], same: tuple[bool, ...]
) -> None:
    asked = probe(node(*wanted), "bird_passwords")
    text = printed(asked, conf(tmp_path, *there))
    found = {f"router_{number}": right for number, right in enumerate(same, start=1)}
    assert bird_output.passwords(text) == found
    # A short one may be a part of any word.
    for password in filter(lambda each: len(each) > 2, (*wanted, *there)):
        assert password not in asked.command + asked.text + text


def test_a_password_that_cannot_be_had_is_no_answer() -> None:
    hidden = cluster(ROUTER | {"password_file": "there/is/none"}).preferred
    assert hidden.routers[0].password.get_secret_value() == HIDDEN
    done = subprocess.run(["sh", "-c", probe(hidden, "bird_passwords").command])
    assert done.returncode == 1


def test_the_file_is_shown_without_passwords(tmp_path: Path) -> None:
    text = printed(probe(node(PASSWORD), "bird_conf"), conf(tmp_path, PASSWORD))
    assert PASSWORD not in text and '"(secret)";' in text
    assert bird_output.configuration(text).last("protocol", "password") == "(secret)"


@pytest.mark.parametrize("there", [True, False])
def test_without_a_file_that_is_said(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "bird.conf").write_text("")
    for name in ("bird_conf", "bird_passwords", "bird_test"):
        asked = probe(node("x"), name)
        assert printed(asked, (bird_probes.BIRD_CONF, tmp_path / "bird.conf")) == "there is none"


NFT = """\
#!/bin/sh
case "$*" in
*alive_2) printf 'table ip t {\\n\\tset alive_2 {\\n\\t\\telements = { ip }\\n\\t}\\n}\\n' ;;
'list set ip '*) printf 'table ip t {\\n\\tset serves_2 {\\n\\t\\tsize 8\\n\\t}\\n}\\n' ;;
*) echo 'Error: No such file or directory' >&2; exit 1 ;;
esac
"""


def test_sets_that_beats_renew_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "nft").write_text(NFT)
    (tmp_path / "nft").chmod(0o755)
    ours = cluster(ROUTER)
    (bundle,) = mesh_probes.bundles(ours.preferred, ours)
    heard = next(each for each in bundle.probes if each.name == "mesh_heard")
    found = mesh_output.heard(printed(heard, path=str(tmp_path)))
    assert found == {("ip", "alive_2"): "there", ("ip", "serves_2"): "empty"}
    (tmp_path / "nft").write_text("#!/bin/sh\necho 'Error: Operation not permitted' >&2; exit 1\n")
    with pytest.raises(ValueError, match="unknown"):
        mesh_output.heard(printed(heard, path=str(tmp_path)))


def test_each_profile_is_asked_its_own() -> None:
    routed, default = (Spoiled(sample).snapshot.clusters[0] for sample in (ROUTED, DEFAULT))
    names = [
        {each.name for bundle in all_probes(its.preferred, its).bundles for each in bundle.probes}
        for its in (routed, default)
    ]
    only_routed, only_default = names[0] - names[1], names[1] - names[0]
    assert {name.partition(":")[0].partition("_")[0] for name in only_routed} == {
        *("bird", "mesh", "handover", "page6")  # the table and the page of IPv6
    }
    assert only_default >= {
        "vrrp",
        "keepalived_conf",
        "keepalived_secret",
        "speakers_table",
        "hooks",
    }


def test_every_address_is_asked_for_its_page() -> None:
    six = cluster(ROUTER6, vip="2001:db8::80/128")
    both = cluster(ROUTER, ROUTER6, vip6="2001:db8::80/128")
    four = cluster(ROUTER)
    found = {}
    for name, ours in {"4": four, "6": six, "both": both}.items():
        asked = http_probes.requests(ours.preferred, ours).probes
        pages = [each for each in asked if each.name.endswith(":vip")]
        found[name] = [(each.name, each.command.split("'")[-2]) for each in pages]
    over4, over6 = "http://198.51.100.80:80/", "http://[2001:db8::80]:80/"
    assert found == {
        "4": [("page:vip", over4)],
        "6": [("page:vip", over6)],
        "both": [("page:vip", over4), ("page6:vip", over6)],
    }


def test_what_is_given_on_does_not_fill_the_answer() -> None:
    """A node may remember a quarter of a million connections."""
    ours = Spoiled(ROUTED).snapshot.clusters[0]
    asked = all_probes(ours.preferred, ours)
    tables = [
        each.command
        for bundle in asked.bundles
        for each in bundle.probes
        if each.name.startswith("handover_table")
    ]
    assert len(tables) == 2 and all("nft -j -t list table" in command for command in tables)


def test_a_password_is_in_no_answer_that_was_recorded() -> None:
    words = ROUTED["clusters"][0]["nodes"][0]["routers"][0]["password_command"][1]
    assert words not in json.dumps(ROUTED["looks"])
    assert words not in said(ROUTED, "host1", "bird_conf")
