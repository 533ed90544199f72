"""A person's pieces at every level, and the files that come with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import settings
from settings import Cluster, Node
from tasks.machine.survey import parse_survey
from tasks.nginx import generation, service
from tasks.nginx.own import companions, doubts, own_files
from tests.support import fakes

SITES = [
    {"server_names": ["www.example.org"], "page": "a"},
    {"server_names": ["b.org"], "page": "b"},
]


def put(directory: Path, **files: str) -> Path:
    """Files by their path: `http_d__a_conf` is http.d/a.conf. `conf.d` is there in any case."""
    for name, text in {"conf_d__README_md": "", **files}.items():
        path = directory / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def pair(directory: Path, **group: Any) -> tuple[Node, Cluster]:
    given: dict[str, Any] = {"nginx_files": str(directory)}
    given["nginx_snippets"] = str(directory / "conf.d")
    (cluster,) = settings.load(fakes.inventory(**given, **group))
    return cluster.nodes[0], cluster


def made(directory: Path, **group: Any) -> generation.Generation:
    machine = parse_survey(fakes.survey())
    return service.make_generation(*pair(directory, **group), machine, "1.30.6-0")


def text(found: generation.Generation, path: str) -> str:
    return str(found.files[f"etc/{path}"])


def said_of(directory: Path, **group: Any) -> list[str]:
    node, cluster = pair(directory, **group)
    return list(doubts.all_of(node, companions.own(node, cluster)))


# --- levels ----------------------------------------------------------------------------------


def test_without_pieces_nothing_names_them(tmp_path: Path) -> None:
    found = made(put(tmp_path), sites=SITES)
    assert not [path for path in found.files if ".d/" in path or "stream" in path]
    every = "".join(text(found, path) for path in ("nginx.conf", "sites/b.org.conf"))
    assert not [level for level in ("main.d", "http.d", "server.d", "stream.d") if level in every]
    assert "include            /etc/nginx/conf.d/*.conf;" in every


def test_each_level_is_included_where_it_belongs(tmp_path: Path) -> None:
    put(
        tmp_path,
        main_d__a_conf="env TZ;",
        http_d__a_conf_j2="# {{ node.name }}",
        conf_d__a_conf="# conf",
        server_d__a_conf="# every",
        server_d__b_org__a_conf="# one",
        stream_d__a_conf="server { listen 1883; proxy_pass 10.0.0.1:1883; }",
    )
    found = made(tmp_path, sites=SITES)
    assert text(found, "http.d/a.conf") == "# @fake/host1"
    main = text(found, "nginx.conf")
    places = [main.index(f"/etc/nginx/{level}/*.conf;") for level in ("main.d", "http.d", "conf.d")]
    assert places == sorted(places) and places[0] < main.index("events {") < main.index("http {")
    assert main.rindex("}") < main.index("include           stream.conf;")
    assert main.count("/etc/nginx/server.d/*.conf;") == 1, "in the default server, not the health's"
    assert "/etc/nginx/server.d/b.org" not in main
    assert "include  /etc/nginx/stream.d/*.conf;" in text(found, "stream.conf")
    both = ["/etc/nginx/server.d/*.conf;", "/etc/nginx/server.d/b.org/*.conf;"]
    assert [one in text(found, "sites/b.org.conf") for one in both] == [True, True]
    assert [one in text(found, "sites/www.example.org.conf") for one in both] == [True, False]
    assert "server.d/b.org, in the directory that nginx_files" in text(found, "sites/b.org.conf")
    assert not said_of(tmp_path, sites=SITES)


def test_the_default_server_may_have_pieces_of_its_own(tmp_path: Path) -> None:
    own = put(tmp_path) / "server.d" / "_"
    own.mkdir(parents=True)
    (own / "a.conf").write_text("# own")
    found = made(tmp_path, sites=SITES)
    assert "/etc/nginx/server.d/_/*.conf;" in text(found, "nginx.conf")
    assert "server.d" not in text(found, "sites/b.org.conf")


def test_streams_ask_for_their_module(tmp_path: Path) -> None:
    assert "--with-stream" not in pair(put(tmp_path, stream_d__README_md=""))[0].flags
    put(tmp_path, stream_d__a_conf_j2="")
    assert pair(tmp_path)[0].flags.count("--with-stream") == 1
    own = pair(tmp_path, nginx_extra_flags=["--with-stream"])[0]
    assert own.flags.count("--with-stream") == 1


def test_a_directory_that_both_settings_name_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="# a")
    (cluster,) = settings.load(
        fakes.inventory(nginx_files=str(tmp_path), nginx_snippets=str(tmp_path / "http.d"))
    )
    pieces = own_files.render(cluster.nodes[0], cluster)
    assert [piece.place for piece in pieces] == ["conf.d/a.conf"]


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(settings.Refused, match=r"nginx_files = '.*/none': there is no such dir"):
        made(tmp_path / "none")


# --- files -----------------------------------------------------------------------------------


def test_all_of_files_is_brought_whether_it_is_named_or_not(tmp_path: Path) -> None:
    put(tmp_path, files__a__b__page_html="<p>", files__client_key="k", files__README_md="x")
    (tmp_path / "files" / ".hidden").write_bytes(b"\xff\x00")
    found = made(tmp_path)
    brought = {path for path in found.files if path.startswith("etc/files/")}
    assert brought == {f"etc/files/{each}" for each in ("a/b/page.html", "client.key", ".hidden")}
    assert found.files["etc/files/.hidden"] == b"\xff\x00"
    assert made(tmp_path).name == found.name
    (tmp_path / "files" / ".hidden").write_bytes(b"other")
    assert made(tmp_path).name != found.name, "it is a part of the generation"
    assert not said_of(tmp_path)


@pytest.mark.parametrize("etc", ["etc/", "/etc/nginx/"])
def test_none_of_files_is_shown_but_configuration(etc: str) -> None:
    secret = ("files/a.pm", "files/tls/a.pem", "files/htpasswd", "files/mime.types")
    assert all(generation.is_secret(f"{etc}{name}") for name in secret)
    assert not generation.is_secret(f"{etc}files/snippets/ssl.conf")


def test_a_name_without_files_in_front_is_brought_to_that_place_too(tmp_path: Path) -> None:
    put(
        tmp_path,
        conf_d__a_conf="server { listen 81; include snippets/ssl.conf; root /srv; }",
        files__snippets__ssl_conf="auth_basic a; auth_basic_user_file users; ssl_dhparam files/dh;",
        files__users="anna:x",
        files__dh="-",
    )
    found = made(tmp_path)
    assert {"etc/snippets/ssl.conf", "etc/files/snippets/ssl.conf", "etc/users"} < set(found.files)
    assert "etc/dh" not in found.files
    assert "workers_read=users" in str(found.files["about"]).splitlines()
    node, cluster = pair(tmp_path)
    sources = companions.sources(companions.own(node, cluster))
    assert f"snippets/ssl.conf={tmp_path}/files/snippets/ssl.conf" in sources
    assert not [one for one in sources if one.startswith("files/users")], (
        "nginx blames no such file"
    )
    assert {"snippets", "files/snippets", "files", "server.d"} <= set(companions.directories(node))


def test_what_lies_beside_a_piece_comes_with_it_at_every_level(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="map $uri $x { include maps/x.map; }", http_d__maps__x_map="/a b;")
    assert made(tmp_path).files["etc/maps/x.map"] == b"/a b;"
    assert not said_of(tmp_path)


@pytest.mark.parametrize("name", ["two words", "ümlaut", "a'b", "x" * 91])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, files__a="")
    (tmp_path / "files" / name).touch()
    with pytest.raises(settings.Refused, match="has at most 90 characters"):
        made(tmp_path)


def test_too_much_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, files__a="123", files__b="456")
    made(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(companions, "MOST_FILES", 1)
        with pytest.raises(settings.Refused, match=r"more than 1 files.*site's content"):
            made(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(companions, "MOST_BYTES", 5)
        with pytest.raises(settings.Refused, match="files: it has more than 0 MB"):
            made(tmp_path)
    monkeypatch.setattr(companions, "LARGEST_BYTES", 2)
    with pytest.raises(settings.Refused, match="files/a: it is larger than"):
        made(tmp_path)


# --- what is not used ------------------------------------------------------------------------


def test_what_is_not_used_is_named_for_each_setting(tmp_path: Path) -> None:
    put(
        tmp_path,
        conf_d__a_bak="",
        http_d__b_txt="",
        server_d__b_ogr__c_conf="",
        servers_d__d_conf="",
        stream_d__README_md="",
    )
    os.symlink("nowhere", tmp_path / "files")
    snippets, files, site = said_of(tmp_path, sites=SITES)
    assert snippets.startswith(f"{tmp_path}/conf.d: not used: a.bak. What is: ")
    assert (
        f"{tmp_path}: not used: files, http.d/b.txt, server.d/b.ogr/c.conf, servers.d/d.conf. "
        in (files)
    )
    assert f"{tmp_path}/server.d/b.ogr: there is no such site: is b.org meant? " in site


def test_in_tandems_own_directory_only_what_may_be_a_level_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (own_files, doubts, companions):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    put(tmp_path / "files/nginx", keys__a="", https_d__a_conf="", conf_d__a_bak="", main_d__x="")
    (cluster,) = settings.load(fakes.inventory(nginx_snippets="files/nginx/http.d"))
    (tmp_path / "files/nginx/http.d").mkdir()
    (said,) = doubts.all_of(cluster.nodes[0], companions.own(cluster.nodes[0], cluster))
    assert said.startswith("files/nginx: not used: https.d/a.conf, main.d/x. ")


# --- what cannot be --------------------------------------------------------------------------


def mistakes(directory: Path, **group: Any) -> list[str]:
    return list(map(str, service.mistakes([pair(directory, **group)[1]])))


@pytest.mark.parametrize(
    ("piece", "line", "said"),
    [
        (
            "main_d__a_conf",
            "user www-data;",
            "user = 'www-data': Tandem's workers are user nginx's",
        ),
        ("main_d__a_conf", "worker_processes auto;", 'workload = "cpu" or "io"'),
        ("main_d__a_conf", "events { worker_connections 9; }", "worker_connections of group_data"),
        ("main_d__a_conf", "worker_connections 9;", "worker_connections = NUMBER"),
        ("main_d__a_conf", "pid /run/x.pid;", "/run/nginx/nginx.pid"),
        ("main_d__a_conf", "daemon off;", "starts it as a daemon"),
        ("main_d__a_conf", "error_log /var/log/nginx/error.log;", "give another file"),
        ("main_d__a_conf", "http { }", "/http.d, without `http { }`"),
        ("main_d__a_conf", "stream { }", "/stream.d, without `stream { }`"),
        ("main_d__a_conf", "map $a $b { }", "inside `http { }` alone: put it into"),
        ("main_d__a_conf", "listen 80;", "inside a `server { }` alone"),
        ("conf_d__a_conf", "events { }", "Tandem has this block"),
        ("conf_d__a_conf", "http { server { listen 81; } }", "/http.d, without `http { }`"),
        ("http_d__a_conf", "env A=secret;", "env = 'A': nginx takes it outside of all blocks"),
        ("http_d__a_conf", "listen 81;", "/server.d, which is in every server of Tandem's"),
        ("http_d__a_conf", "location / { }", "location = '/': nginx takes it inside a `server"),
        ("http_d__a_conf", "multi_accept on;", "into the block `events`"),
        (
            "server_d__a_conf",
            "server { listen 81; }",
            "server = '{ }': nginx takes it inside `http",
        ),
        ("server_d__b_org__a_conf", "upstream x { }", "upstream = 'x': nginx takes it inside"),
        ("server_d__a_conf", "listen 81;", "the settings say it (http_port, https_port, sites)"),
        ("server_d__a_conf", "load_module x;", "outside of all blocks"),
        ("stream_d__a_conf", "location / { }", "it is HTTP's"),
        ("stream_d__a_conf", "listen 81;", "listen = '81': put it into a `server { }`"),
        (
            "stream_d__a_conf",
            "server { listen 80; }",
            "listen = '80': this port is the default ser",
        ),
    ],
)
def test_what_stands_at_the_wrong_level_is_refused_before_any_machine(
    tmp_path: Path, piece: str, line: str, said: str
) -> None:
    found = mistakes(put(tmp_path, **{piece: f"\n{line}\n"}), sites=SITES)
    path = piece.replace("__", "/").replace("_", ".")
    assert any(f"@fake/host1, @fake/host2, {tmp_path}/{path}:2: " in one for one in found), found
    assert any(said in one for one in found), found
    assert not any("secret" in one for one in found)


def test_what_may_be_there_is_refused_by_nobody(tmp_path: Path) -> None:
    put(
        tmp_path,
        main_d__a_conf="env TZ; error_log syslog:server=10.0.0.1; worker_shutdown_timeout 10s;",
        http_d__a_conf="map $a $b { } upstream x { server 10.0.0.1; } server { listen 81; }",
        server_d__a_conf="location /x { } set $a b; if ($a) { return 403; } rewrite ^/a /b;",
        stream_d__a_conf="upstream y { server 10.0.0.1:5; } server { listen 80 udp; }",
    )
    assert not mistakes(tmp_path, sites=SITES)


def test_names_and_walls_are_judged_at_every_level(tmp_path: Path) -> None:
    put(
        tmp_path,
        http_d__a_conf="server { listen 80; server_name b.org; }",
        server_d__b_org__a_conf="access_log /srv/a.log;\nproxy_bind $remote_addr transparent;",
        stream_d__a_conf="server { listen 1883; proxy_pass unix:/home/a.sock; }",
    )
    (said,) = mistakes(tmp_path, sites=SITES)
    assert "http.d/a.conf:1: server_name = 'b.org': on 80 this is sites[1] in the settings" in said
    with pytest.raises(settings.SettingsError) as error:
        made(tmp_path, sites=SITES)
    walled = [f"{each.setting} {each.value}" for each in error.value.mistakes]
    transparent = "proxy_bind $remote_addr transparent"
    assert walled == ["access_log /srv/a.log", "proxy_pass /home/a.sock", transparent]


def test_an_upstream_that_the_settings_have_too_is_refused(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="upstream app { server 10.0.0.1; }")
    (said,) = mistakes(tmp_path, upstreams={"app": ["10.0.0.2:80"]})
    assert "upstream = 'app': upstreams[app] in the settings has this name" in said
