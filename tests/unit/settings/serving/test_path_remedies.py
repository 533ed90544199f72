"""Paths and their options that nginx would never find, drop, or lead in a circle: each is refused
with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from settings.mistakes.paths import password_mistakes
from tests.unit.settings.serving.test_place_settings import HASHED, UPSTREAMS, node_with, site_conf
from tests.unit.settings.test_settings import inventory, mistakes

PAGE = {"page": "x"}
LONG_NAME = f"X-{'a' * 45}"


def only(**given: Any) -> str:
    (line,) = mistakes(inventory(upstreams=UPSTREAMS, **given))
    return line


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("//a//b/", 'write "/a/b/"'),
        ("/a/../c/", 'write "/c/"'),
        ("/./x", 'write "/x"'),
        ("= /x/.", 'write "= /x/"'),
        ("/x/..", 'write "/"'),
        ("/../x", "goes up above /"),
        ("/%2e/", "with %20 read as a space"),
        ("=/x", 'write "= /x"'),
        ("^~ /x/", 'write "/x/"'),
        (r"~ \.php$", "no regular expressions here"),
        ("/a:b/", ": cannot be in a path"),
        ("/a,b/", ", cannot be in a path"),
        ("/a(b)/", "( cannot be in a path"),
        ("/x?q=1", "? cannot be in a path"),
    ],
)
def test_a_path_that_no_request_has_is_refused_with_the_one_that_is_meant(
    path: str, remedy: str
) -> None:
    line = only(paths={path: PAGE})
    assert f"paths[{path}].path" in line and remedy in line, line
    line = only(sites=[{"server_names": ["a.example.org"], "paths": {path: PAGE}}])
    assert remedy in line, line


@pytest.mark.parametrize("path", ["/", "/a/.well-known/..b/", "= /a", "/a.b-c~d", "/.../"])
def test_a_path_that_requests_have_is_taken(path: str) -> None:
    assert node_with(paths={path: PAGE}).places[0].path == path


def test_a_short_path_and_a_fallback_are_judged_alike() -> None:
    assert 'write "/a/"' in only(proxy={"/a//": "app"})
    place = {"directory": "/srv/x", "fallback": "/a/../b.html"}
    assert 'write "/b.html"' in only(paths={"/x/": place})


@pytest.mark.parametrize(
    ("place", "setting", "remedy"),
    [
        ({**PAGE, "limits": {"connections": 5, "burst": 9}}, "limits.burst = 9", "ahead of a rate"),
        (
            {"fastcgi": "app", "root": "/srv", "script": "a.php", "fallback": "/b.php"},
            "fallback",
            "`script` answers everything",
        ),
        ({"proxy": "app", "cache": True, "buffering": False}, "cache = True", "buffering is False"),
        ({"grpc": "app", "send_headers": {LONG_NAME: "a"}}, "send_headers", "46 characters"),
        ({"proxy": "app", "hide_headers": [LONG_NAME]}, "hide_headers", "46 characters"),
        ({"proxy": "app", "headers": {LONG_NAME: "a"}}, "headers", "46 characters"),
        ({"directory": "/srv/x", "index": ["a.html", "b"]}, "index", "give its name, 'a.html'"),
        ({"directory": "/srv/x", "fallback": "=404"}, "fallback", "by 404 anyway"),
        ({"directory": "/srv/x", "fallback": "/i.php?q=$uri"}, "fallback", 'write "/i.php"'),
        (
            {"fastcgi": "app", "root": "/srv", "script": "public/index.php"},
            "script",
            '(…/public): write "index.php"',
        ),
        ({"redirect": "https://"}, "redirect", "leads to no host"),
        ({"redirect": "https:///x"}, "redirect", "leads to no host"),
        ({"redirect": "//www.example.org/x"}, "redirect", "begins with one slash"),
        ({"redirect": "/$request_uri"}, "redirect", "begins with one slash"),
        ({"redirect": "https://x/a b"}, "redirect", "a space cannot be in an address: write %20"),
        ({"redirect": "https://x/5$"}, "redirect", "a $ begins the name"),
        (
            {"proxy": "app", "send_headers": {"X": "a", "Y": "$5"}},
            "send_headers.Y = '$5'",
            "$5 can",
        ),
        ({**PAGE, "headers": {"X-A": "a\nb"}}, "headers.X-A", "the end of a line cannot"),
        ({**PAGE, "headers": {"X-A": "a\\b"}}, "headers.X-A", "\\ cannot be in it"),
        ({**PAGE, "headers": {"X-A": "$uri"}}, "headers.X-A", "there may be $http_NAME"),
    ],
)
def test_what_would_do_nothing_or_another_thing_is_refused(
    place: dict[str, Any], setting: str, remedy: str
) -> None:
    line = only(paths={"/x/": place})
    assert f"paths[/x/].{setting}" in line and remedy in line, line


def test_what_can_be_quoted_for_nginx_is_taken() -> None:
    for target in ("https://[::1]/a;b'c(d)*!#e", "https://x.example/?c=$arg_c", "/y#frag"):
        assert f'"{target}"' in site_conf({"redirect": target})
    said = site_conf({"proxy": "app", "send_headers": {"X-Origin": "$http_origin"}})
    assert '"$http_origin"' in said
    for place in ({"directory": "/srv/x/"}, {"fastcgi": "app", "root": "/srv/x/"}):
        assert "/srv/x//" not in site_conf(place)


@pytest.mark.parametrize(
    "given",
    [
        {"paths": {"/x/": {"redirect": "/x/"}}},
        {"paths": {"/": {"redirect": "/"}}},
        {"paths": {"/": {"redirect": "/new$request_uri"}}},
        {"paths": {"= /x": {"redirect": "$scheme://$host/x?a=1"}}},
        {"paths": {"/x/": {"redirect": "http://$host$request_uri"}}},
        {"paths": {"/a/": {"redirect": "/b/"}, "/b/": {"redirect": "/a/x"}}},
    ],
)
def test_a_redirect_that_leads_to_itself_is_refused(given: dict[str, Any]) -> None:
    for line in mistakes(inventory(**given)):
        assert ".redirect" in line and "never arrive" in line
    site = {"server_names": ["www.example.org"], **given}
    assert all("sites[0].paths[" in line for line in mistakes(inventory(sites=[site])))


def test_a_redirect_to_ones_own_name_is_refused_over_the_same_scheme_alone() -> None:
    def given(target: str) -> dict[str, Any]:
        site = {"server_names": [".example.org"], "paths": {"/": {"redirect": target}}}
        return {"sites": [site]}

    assert "never arrive" in only(**given("http://example.org/"))
    for target in (
        "https://example.org$request_uri",
        "http://example.org:8080/",
        "http://www.example.com/",
        "http://a.example.org/",
    ):
        assert node_with(**given(target)).sites
    # And another path that answers it.
    assert node_with(paths={"/": {"redirect": "/x/"}, "/x/": {"page": "a", "headers": {}}}).paths
    assert node_with(paths={"= /": {"redirect": "/x/"}, "/x/": {"directory": "/srv/x"}}).paths


@pytest.mark.parametrize(
    ("setting", "value", "about"),
    [
        ("trusted_proxies", ["::ffff:10.0.0.1"], "give 10.0.0.1"),
        ("metrics_allow", ["::ffff:10.0.0.1"], "give 10.0.0.1"),
        ("metrics_allow", ["::ffff:10.0.0.0/104"], "give 10.0.0.0/8"),
        ("paths", {"/x/": {**PAGE, "allow": ["::ffff:10.0.0.0/104"]}}, "give 10.0.0.0/8"),
        ("path_defaults", {"allow": ["::ffff:a00:1"]}, "give 10.0.0.1"),
        (
            "sites",
            [{"server_names": ["a.b"], **PAGE, "maintenance": {"allow": ["::ffff:10.0.0.1"]}}],
            "give 10.0.0.1",
        ),
        (
            "streams",
            {"db": {"listen": 5432, "to": "10.0.0.1:5432", "allow": ["::ffff:10.0.0.1"]}},
            "give 10.0.0.1",
        ),
    ],
)
def test_ipv4_that_is_written_as_ipv6_is_refused(setting: str, value: Any, about: str) -> None:
    line = only(**{setting: value})
    assert setting in line and "a client of IPv4 never comes from there" in line and about in line


def test_networks_are_told_to_nginx_once() -> None:
    allow = ["10.0.0.1", "10.0.0.1/32", "fd00::/8"]
    site = {"server_names": ["a.b"], **PAGE, "maintenance": {"allow": allow}}
    assert node_with(sites=[site]).sites[0].maintenance.allow == ("10.0.0.1/32", "fd00::/8")  # type: ignore[union-attr]
    site["maintenance"] = {"allow": ["0.0.0.0/0", "::/0"]}
    for line in mistakes(inventory(sites=[site])):
        assert "sites[0].maintenance.allow" in line and "this is everybody" in line


def test_a_page_of_maintenance_may_have_quotation_marks() -> None:
    site = {"server_names": ["www.example.org"], **PAGE}
    page = '<h1 class="x">a\\b</h1>'
    from tasks.nginx import nginx_files

    node = node_with(sites=[{**site, "maintenance": {"page": page}}])
    (said,) = nginx_files.site_files(node).values()
    assert r'return        503  "<h1 class=\"x\">a\\b</h1>\n";' in said
    assert "write &#36;" in only(sites=[{**site, "maintenance": {"page": "5$"}}])
    assert 'or {"page": "Back soon"}' in only(sites=[{**site, "maintenance": "Back soon"}])


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        (r"~*^www\.example\.org$", "leave out the *"),
        ("www.example.org.", 'write "www.example.org"'),
        ("www.example.org:80", 'write "www.example.org"'),
    ],
)
def test_a_name_that_nginx_writes_otherwise_is_refused(name: str, remedy: str) -> None:
    assert remedy in only(sites=[{"server_names": [name], **PAGE}])


def test_what_pcre_alone_knows_is_taken() -> None:
    for name in (r"~^\h+\.x$", r"~^a\Kb\R$", r"~^(?>a+)b++\.x$"):
        assert node_with(sites=[{"server_names": [name], **PAGE}]).sites
    assert "regular expression" in only(sites=[{"server_names": [r"~^\y(\.x$"], **PAGE}])


CRYPT = "a" * 86
TAKEN = (
    *(HASHED.strip(), "anna:{PLAIN}x", "anna:{PLAIN}x:a remark", f"a:{{SHA}}{'a' * 27}="),
    *(f"a:{{SSHA}}{'a' * 32}", f"a:$apr1$salt${CRYPT[:22]}", f"a:$1$salt${CRYPT[:22]}"),
    *(f"a:$5$rounds=5000$salt${CRYPT[:43]}", f"a:$6$salt${CRYPT}", f"a:$y$j9T$salt${CRYPT[:43]}"),
    *("a:abiQ6Ep3EYTHc", "# a remark", ""),
)
NOT_TAKEN = (
    "anna:secret",
    "anna:$2y$05$short",
    "anna",
    ":x",
    "anna:{plain}x",
    HASHED.strip() + " ",
)


def test_a_line_of_passwords_is_what_nginx_takes_for_a_hash(tmp_path: Path) -> None:
    assert not list(password_mistakes.faults("\n".join(TAKEN)))
    assert not list(password_mistakes.faults("\r\n".join(TAKEN))), "written on Windows"
    for line in (*NOT_TAKEN, "an:na:{PLAIN}x"):
        ((number, why),) = password_mistakes.faults(f"# a\n{line}\n")
        assert number == 2 and "secret" not in why and "anna" not in why
    assert "up to the first colon" in why
    file = tmp_path / "staff"
    file.write_text(f"{HASHED}bert:secret\n")
    line = only(paths={"/x/": {**PAGE, "basic_auth": str(file)}})
    assert f"{file}:2" in line and "secret" not in line.replace(str(tmp_path), "")


def test_a_block_names_the_setting_that_made_it(tmp_path: Path) -> None:
    from tasks.nginx import nginx_files

    staff = tmp_path / "staff"
    staff.write_text(HASHED)
    node = node_with(
        proxy={"/in-short/": "app"},
        path_defaults={"allow": ["10.0.0.0/8"]},
        paths={
            "/x/": {
                "proxy": "app",
                "basic_auth": str(staff),
                "limits": {"connections": 3},
                "send_headers": {"X-A": "a"},
            }
        },
    )
    said = nginx_files.nginx_conf(node, 1, "")
    assert "# proxy: /in-short/ is answered" in said and "# paths: /x/ is answered" in said
    for about in ("path_defaults.allow: ", "basic_auth: ", "limits: ", "send_headers: "):
        assert f"        # {about}" in said


def test_a_page_is_what_its_path_ends_in() -> None:
    assert "alias          /var/lib/tandem/sites/" in site_conf(PAGE, "/robots.txt")
    assert "rewrite        ^  /index.html  break;" in site_conf(PAGE, "/x/")


def test_a_redirect_to_what_somebody_else_answers_is_taken(tmp_path: Path) -> None:
    """A location of one's own in server.d, and what is Tandem's."""
    paths = {"/": {"redirect": "/app/"}}
    assert "never arrive" in only(paths=paths)
    (tmp_path / "server.d" / "_").mkdir(parents=True)
    (tmp_path / "server.d" / "_" / "app.conf").write_text("location /app/ { return 204; }\n")
    assert node_with(paths=paths, nginx_files=str(tmp_path))
    assert "never arrive" in only(paths={"/": {"redirect": "/"}}, nginx_files=str(tmp_path))
    for own in ("/tandem-page", "/.well-known/acme-challenge/x"):
        assert node_with(paths={"/": {"redirect": own}})


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        *(("/$arg_next", False), ("/${arg_next}", False), ("https://a.org$arg_x", False)),
        *(("https://$arg_host/x", False), ("https://$cookie_a", False), ("/$http_referer", False)),
        *(("/go/$arg_next", True), ("https://$http_host/x", True), ("/go?to=$arg_to", True)),
    ],
)
def test_nobody_who_writes_a_link_says_which_host_it_leads_to(target: str, taken: bool) -> None:
    paths = {"/a/": {"redirect": target}}
    if taken:
        assert node_with(paths=paths)
    else:
        assert "could say which host" in only(paths=paths)


def test_what_is_told_for_all_paths_has_no_longer_names() -> None:
    said = only(path_defaults={"send_headers": {LONG_NAME: "x"}})
    assert "path_defaults.send_headers" in said and "characters here" in said
