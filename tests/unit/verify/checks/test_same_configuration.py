"""X-13: what one machine's nginx is configured to do and another's is not, is found; what nodes may
set apart, and their own names in a snippet, are no difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.broken_upkeep import snippet
from tests.support.snapshots import BOTH, DEFAULT, Spoiled, bad
from verify.checks.check import Outcome

SITE = """\
server {
    listen 8099;
    server_name %s;
    proxy_pass http://%s:8080;
    location / { allow all; }
}
"""


def _in_snippets(*texts: str) -> Spoiled:
    spoiled = Spoiled()
    for host, text in zip(BOTH, texts, strict=True):
        if text:
            snippet(host, text)(spoiled)
    return spoiled


def _found(spoiled: Spoiled) -> str:
    (finding,) = spoiled.judge("X-13").findings
    assert finding.outcome in (Outcome.OK, Outcome.FAIL), finding.answer
    return finding.answer.actual if finding.bad else ""


def _set(place: int, **values: Any) -> Callable[[Spoiled], Spoiled]:
    def change(spoiled: Spoiled) -> Spoiled:
        spoiled.data["clusters"][0]["nodes"][place].update(values)
        return spoiled

    return change


def test_a_snippet_that_one_machine_alone_has_is_found_with_its_file() -> None:
    found = _found(_in_snippets("", SITE % ("a.org", "10.0.0.1")))
    assert found.startswith("--- host1\n+++ host2\n+# /etc/nginx/conf.d/more.conf\n+server {")


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("allow all;", "deny all;", "-        allow all\n+        deny all"),
        ("location /", "keepalive_timeout 0;\nlocation /", "+    keepalive_timeout 0"),
        ("listen 8099;", "", "-    listen 8099"),
    ],
)
def test_one_line_that_differs_is_shown_alone(old: str, new: str, shown: str) -> None:
    site = SITE % ("a.org", "10.0.0.1")
    found = _found(_in_snippets(site, site.replace(old, new)))
    assert found == f"--- host1\n+++ host2\n{shown}"


def test_layout_and_comments_are_no_difference() -> None:
    site = SITE % ("a.org", "10.0.0.1")
    other = site.replace("\n", " # its own\n\n").replace("    ", "\t")
    assert not _found(_in_snippets(site, other))


def test_a_snippet_rendered_with_each_nodes_own_name_and_address_is_the_same() -> None:
    assert not _found(
        _in_snippets(SITE % ("host1", "172.16.12.61"), SITE % ("host2", "172.16.12.62"))
    )


def test_a_list_of_all_nodes_is_the_same_on_each() -> None:
    both = SITE % ("host1 host2", "172.16.12.61")
    assert not _found(_in_snippets(both, both))


@pytest.mark.parametrize("theirs", ["172.16.12.61", "172.16.12.6", "172.16.12.621"])
def test_another_machines_address_is_a_difference(theirs: str) -> None:
    found = _found(_in_snippets(SITE % ("a.org", "172.16.12.61"), SITE % ("a.org", theirs)))
    assert (found == "") is (theirs == "172.16.12.61")


def test_what_the_inventory_sets_apart_may_differ_in_the_deploys_own_files_alone() -> None:
    spoiled = Spoiled().replace(
        "host2", "nginx_dump", "keepalive_timeout  65", "keepalive_timeout 9"
    )
    assert "+    keepalive_timeout 9" in _found(spoiled)
    assert not _found(_set(1, keepalive_timeout_s=9)(spoiled))
    snippet("host2", "keepalive_timeout 0;")(spoiled)
    assert "+keepalive_timeout 0" in _found(spoiled)


def test_machines_with_other_cpus_have_other_workers() -> None:
    dumped = Spoiled().says("host2", "nginx_dump")
    workers = next(line for line in dumped.splitlines() if line.startswith("worker_processes"))
    spoiled = Spoiled().replace("host2", "nginx_dump", workers, "worker_processes 8;")
    assert "+worker_processes 8" in _found(spoiled)
    assert not _found(spoiled.replace("host2", "system", "2\n", "8\n", count=1))


def test_with_snippets_of_its_own_each_node_is_compared_without_them() -> None:
    spoiled = _set(1, nginx_snippets="files/other")(_in_snippets("", "deny all;"))
    assert not _found(spoiled)
    (finding,) = spoiled.judge("X-13").findings
    assert finding.answer.actual.endswith("snippets aside (nginx_snippets or nginx_files differs)")


def test_a_long_difference_is_cut() -> None:
    found = _found(_in_snippets("", "\n".join(f"set $a{n} 1;" for n in range(500))))
    assert found.endswith("more lines") and len(found.splitlines()) < 70


def test_where_nginx_refuses_its_configuration_that_is_the_finding() -> None:
    told = "nginx: configuration file /etc/nginx/nginx.conf test failed"
    refused = Spoiled().answer(
        "host2", "nginx_dump", f"nginx: [emerg] unknown directive\n{told}", 1
    )
    assert bad(refused.judge("NGX-06,NGX-07,X-13")) == {"NGX-06"}


def test_an_nginx_that_does_not_print_what_it_accepts_is_not_known() -> None:
    spoiled = Spoiled().answer("host2", "nginx_dump", "refused", 137)
    (finding,) = spoiled.judge("X-13").findings
    assert finding.outcome is Outcome.UNKNOWN


def test_each_machines_own_address_and_interface_may_stand_in_its_configuration() -> None:
    spoiled = _set(1, interface="eth0.7")(Spoiled())
    spoiled.replace("host2", "keepalived_conf", "eth0", "eth0.7")
    for host, own in (("host1", "172.16.12.61"), ("host2", "172.16.12.62")):
        spoiled.replace(host, "keepalived_conf", "/killall -0 nginx", f"/ask {own} {host}.x")
    (finding,) = spoiled.judge("X-12").findings
    assert finding.answer.actual.count("ask (its own)") == 2  # host1.x is not host2.x
    spoiled.replace("host2", "keepalived_conf", "host2.x", "host1.x")
    assert not bad(spoiled.judge("X-12"))


def test_a_machines_own_name_is_no_difference_in_keepaliveds() -> None:
    spoiled = Spoiled()
    for host in BOTH:
        given = f"router_id                {host}"
        spoiled.replace(host, "keepalived_conf", given, f"{given}\n    smtp_helo_name {host}")
    assert bad(spoiled.judge("X-12")) == set()


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ("server_tokens      off;", "server_tokens build;", ""),
        ("server_tokens      off;", "", "server_tokens is not set, not off"),
        ("send_timeout           300s;", "send_timeout 300s;", ""),
        ("send_timeout           300s;", "send_timeout 3s;", "send_timeout is 3s, not 300s"),
    ],
)
def test_a_line_of_a_persons_own_stands_for_ours(ours: str, theirs: str, told: str) -> None:
    spoiled = Spoiled(DEFAULT)
    for host in BOTH:
        spoiled.replace(host, "nginx_dump", ours, "", count=1)
        if theirs:
            snippet(host, theirs)(spoiled)
    name = theirs.partition(" ")[0] or "server_tokens"
    for finding in spoiled.judge(only="NGX-07").findings:
        said = [one for one in finding.answer.actual.split("; ") if one.startswith(name)]
        assert said == ([told] if told else []), finding.answer.actual
