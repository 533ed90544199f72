"""What lies beside snippets, whose names they may take, and what is said of all that."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Cluster, Node
from tasks.machine.survey import parse_survey
from tasks.nginx import generation, grouped_warnings, service
from tasks.nginx.own import companions, own_files
from tasks.nginx.own import doubts as own_doubts
from tests.support import fakes

SITE = {"server_names": ["www.example.org"], "page": "a site"}
PROTECTED = "server { listen 81; location / { auth_basic a; auth_basic_user_file htpasswd; } }\n"


def pair(directory: Path, **group: Any) -> tuple[Node, Cluster]:
    (cluster,) = settings.load(fakes.inventory(nginx_snippets=str(directory), **group))
    return cluster.nodes[0], cluster


def made(directory: Path, **group: Any) -> generation.Generation:
    return service.make_generation(
        *pair(directory, **group), parse_survey(fakes.survey()), "1.30.6-0"
    )


def doubts(directory: Path, **group: Any) -> list[str]:
    node, cluster = pair(directory, **group)
    return list(own_doubts.all_of(node, companions.own(node, cluster)))


# --- what is brought, and what is not --------------------------------------------------------


def test_a_file_that_a_snippet_names_comes_with_it_for_nobody_to_see(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text(PROTECTED)
    (tmp_path / "htpasswd").write_text("anna:$apr1$x\n")
    found = made(tmp_path)
    assert found.files["etc/htpasswd"] == b"anna:$apr1$x\n"
    assert "workers_read=htpasswd" in str(found.files["about"]).splitlines()
    assert generation.is_secret("etc/htpasswd") and "apr1" not in repr(found)
    with tarfile.open(fileobj=io.BytesIO(found.tar())) as archive:
        assert archive.getmember("etc/htpasswd").mode == 0o600
    assert not doubts(tmp_path)
    assert f"htpasswd={tmp_path}/htpasswd" in companions.sources(companions.own(*pair(tmp_path)))


@pytest.mark.parametrize("etc", ["etc/", "/etc/nginx/"])
def test_what_may_be_a_secret_is_one_wherever_it_is(etc: str) -> None:
    secret = ("tls/default.key", "own.key", "htpasswd", "conf.d/.users", "own.pem", "conf.d/a.inc")
    assert all(generation.is_secret(f"{etc}{name}") for name in secret)
    shown = ("nginx.conf", "conf.d/a.conf", "conf.d/A.pm", "tls/default.pem", "mime.types")
    assert not any(generation.is_secret(f"{etc}{name}") for name in shown)
    assert not any(map(generation.is_secret, ("unit", "about", "/etc/init.d/nginx")))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("server { auth_basic_user_file .users; }", ".users"),
        ("server { auth_basic_user_file conf.d/.users; }", "conf.d/.users"),
        ("server { auth_basic_user_file /etc/nginx/conf.d/.users; }", "conf.d/.users"),
        ('server { auth_basic_user_file "/etc/nginx/.users"; }', ".users"),
        ("map $uri $a { include .users; }", ".users"),
        ("ssl_dhparam .users;", ".users"),
        ("server { location = /a { alias /etc/nginx/.users; } }", ".users"),
    ],
)
def test_it_gets_the_place_by_which_it_is_named(tmp_path: Path, text: str, place: str) -> None:
    (tmp_path / "a.conf").write_text(text)
    (tmp_path / ".users").write_bytes(b"\xff\x00")
    assert made(tmp_path).files[f"etc/{place}"] == b"\xff\x00"


@pytest.mark.parametrize(
    "text",
    [
        "server { auth_basic_user_file /srv/users; }",
        "server { auth_basic_user_file $host; }",
        "server { auth_basic_user_file more/users; }",
        "server { root users; }",
        "# auth_basic_user_file users;",
    ],
)
def test_what_is_named_elsewhere_is_not_brought_and_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.conf").write_text(text)
    (tmp_path / "users").touch()
    assert "etc/users" not in made(tmp_path).files
    (said,) = doubts(tmp_path)
    assert said.startswith(f"{tmp_path}: not used: users. ")


def test_what_is_included_may_name_others(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server { listen 81; include common.inc; }")
    (tmp_path / "common.inc").write_text("auth_basic_user_file htpasswd; include common.inc;")
    (tmp_path / "htpasswd").touch()
    assert {"etc/common.inc", "etc/htpasswd"} < made(tmp_path).files.keys()
    (tmp_path / "common.inc").write_text("access_log /srv/a.log;")
    with pytest.raises(settings.SettingsError, match=r"common\.inc:1: access_log = '/srv/a\.log'"):
        made(tmp_path)


def test_tandems_own_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("include mime.types; include upstreams.conf;")
    (tmp_path / "mime.types").write_text("types {}")
    assert made(tmp_path).files["etc/mime.types"] != b"types {}"
    assert "not used: mime.types" in doubts(tmp_path)[0]


def test_every_file_that_is_not_used_is_named(tmp_path: Path) -> None:
    for name in ("README.md", ".gitignore", "good.conf", "a.conf.bak", "my site.conf", ".b.conf"):
        (tmp_path / name).touch()
    (tmp_path / "Hello.pm").touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.conf").touch()
    (tmp_path / "gone").symlink_to("nowhere")
    (said,) = doubts(tmp_path)
    assert "not used: .b.conf, Hello.pm, a.conf.bak, gone, more/c.conf, my site.conf. " in said
    assert "perl = True" in said
    assert "Hello" not in doubts(tmp_path, perl=True)[0]


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companions, "LARGEST_BYTES", 3)
    (tmp_path / "a.conf").write_text(PROTECTED)
    (tmp_path / "htpasswd").write_text("anna")
    with pytest.raises(settings.Refused, match="htpasswd: it is larger than"):
        made(tmp_path)


def test_what_the_repository_itself_has_is_worth_no_word() -> None:
    assert not doubts(own_files.ROOT / "files" / "nginx" / "conf.d")


def test_an_upstream_that_nothing_is_proxied_to_is_said(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "upstreams": {name: {"servers": ["10.0.0.11:80"]} for name in ("app", "live", "old")},
        "proxy": {"/": "app"},
    }
    (tmp_path / "a.conf").write_text("server { listen 81; proxy_pass http://live/x; root /old-x; }")
    assert [said.partition(":")[0] for said in doubts(tmp_path, **given)] == ["upstreams[old]"]


def test_snippets_where_nobody_looks_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_doubts, "ROOT", tmp_path)
    default = tmp_path / own_doubts.DEFAULT
    default.mkdir(parents=True)
    (default / "README.md").touch()
    other = pair(tmp_path, nginx_files="elsewhere")[0]
    assert not list(own_doubts.of_nobody([other]))
    (default / "a.conf.j2").touch()
    (said,) = own_doubts.of_nobody([other])
    assert said.startswith("files/nginx/conf.d: not used: a.conf.j2.")
    own = pair(Path("files/nginx/conf.d/"))[0]
    assert not list(own_doubts.of_nobody([other, own]))
    (tmp_path / own_doubts.DEFAULT_FILES / "http.d").mkdir()
    (tmp_path / own_doubts.DEFAULT_FILES / "http.d" / "b.conf").touch()
    (said,) = own_doubts.of_nobody([pair(Path("files/nginx/conf.d"), nginx_files="elsewhere")[0]])
    assert said == "files/nginx: not used: http.d/b.conf. No machine's nginx_files names it"


# --- names -----------------------------------------------------------------------------------


def mistakes(directory: Path, **group: Any) -> list[str]:
    """What is said before any machine is asked."""
    return list(map(str, service.mistakes([pair(directory, **group)[1]])))


def test_a_sites_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server {\n listen 80; server_name www.example.org;\n}\n")
    (tmp_path / "b.conf").write_text("server { listen 80 default_server; root /srv/b; }\n")
    (tmp_path / "c.conf.j2").write_text("{{ nobody.knows }}\n")
    broken, _, *said = mistakes(tmp_path, sites=[SITE])
    assert "c.conf.j2: 'nobody' is undefined" in broken, "all mistakes at once"
    (tmp_path / "c.conf.j2").unlink()
    both = "@fake/host1, @fake/host2"
    assert [line.partition(": on ")[0] for line in said] == [
        f"{both}, {tmp_path}/a.conf:1: server_name = 'www.example.org'",
        f"{both}, {tmp_path}/b.conf:1: listen = '80 default_server'",
    ], "once for all machines that have it"
    assert "sites[0] in the settings, which Tandem writes into /etc/nginx/sites/www." in said[0]
    assert "the default server, which Tandem writes into /etc/nginx/nginx.conf: " in said[1]
    assert "another name" in said[0] and "the default server" in said[1]
    (tmp_path / "b.conf").unlink()
    assert not mistakes(tmp_path), "nobody else has it"


def test_a_mistake_of_the_settings_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server { listen 81; }")
    nowhere = fakes.inventory(nginx_snippets=str(tmp_path), proxy={"/api/": "nobody"})
    assert not list(service.mistakes(settings.as_far_as_readable(nowhere)[1]))


def test_it_is_not_taken_by_a_template_nor_by_what_is_included(tmp_path: Path) -> None:
    name = "server_name {{ node.sites[0].name }};"
    (tmp_path / "a.conf.j2").write_text(f"server {{ listen {{{{ node.http_port }}}}; {name} }}")
    (tmp_path / "b.conf").write_text("include b.inc;")
    (tmp_path / "b.inc").write_text("server { server_name _; }")
    said = mistakes(tmp_path, sites=[SITE])
    assert "a.conf.j2:1: server_name = 'www.example.org'" in said[0]
    assert "b.inc:1: server_name = '_'" in said[1]


def test_a_server_on_one_address_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("server { listen 172.16.12.254:80; server_name a.org; }")
    (said,) = doubts(tmp_path)
    assert f"{tmp_path}/a.conf:1: listen 172.16.12.254:80: " in said and "`listen 80;`" in said


# --- warnings of several machines ------------------------------------------------------------


def test_a_warning_is_shown_once_for_all_that_have_it() -> None:
    found = {"host2": ["a", "a", "b"], "host1": ["a"], "host3": []}
    assert grouped_warnings.grouped(found) == ["host1, host2: a", "host2: b"]
