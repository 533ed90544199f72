"""What nginx takes once, and both Tandem and a person say; modules that are not compiled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.gateway import authority
from settings.nginx_paths import directives
from tasks.nginx import nginx_files
from tasks.nginx.own import clashes, companions
from tests.unit.tasks.nginx.test_own_files import SITES, made, mistakes, pair, put, text


def nginx_conf(directory: Path, **group: Any) -> str:
    return text(made(directory, **group), "nginx.conf")


# --- inside http { } -------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["http_d", "conf_d"])
def test_a_persons_own_line_wins_and_ours_says_where_it_is(tmp_path: Path, level: str) -> None:
    put(tmp_path, **{f"{level}__a_conf": "\nserver_tokens off;\ngzip_static off;\ngzip on;\n"})
    found = nginx_conf(tmp_path)
    place = f"{tmp_path}/{level.replace('_', '.')}/a.conf"
    assert f"    # server_tokens: {place}:2 says it.\n" in found
    assert f"    # gzip_static: {place}:3 says it.\n" in found
    assert "\n    gzip_static" not in found and "\n    server_tokens" not in found
    assert not mistakes(tmp_path)


def test_a_path_with_a_line_break_adds_no_line(tmp_path: Path) -> None:
    put(tmp_path / "a\nuser root;", http_d__a_conf="server_tokens off;", main_d__a_conf="env A;")
    found = nginx_conf(tmp_path / "a\nuser root;")
    assert "a user root;/http.d/a.conf:1 says it." in found
    assert found.count("\nuser ") == 1


def test_what_is_inside_a_server_is_no_clash(tmp_path: Path) -> None:
    before = nginx_conf(put(tmp_path))
    put(tmp_path, conf_d__a_conf="server { listen 81; server_tokens off; keepalive_timeout 5; }")
    assert nginx_conf(tmp_path) == before
    assert not mistakes(tmp_path)


def test_what_is_included_counts_where_the_include_stands(tmp_path: Path) -> None:
    put(
        tmp_path, http_d__a_conf="include snippets/a.conf;", files__snippets__a_conf="sendfile off;"
    )
    source = f"{tmp_path}/files/snippets/a.conf"
    assert f"# sendfile: {source}:1 says it." in nginx_conf(tmp_path)
    put(tmp_path, http_d__a_conf="server { listen 81; include snippets/a.conf; }")
    assert "\n    sendfile           on;" in nginx_conf(tmp_path)


def test_a_format_of_the_same_name_leaves_both(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="log_format main '$uri';")
    found = nginx_conf(tmp_path)
    assert "    log_format  tandem " in found and "log_format  main" not in found
    assert "access_log         /var/log/nginx/access.log  tandem;" in found
    put(
        tmp_path,
        http_d__a_conf="log_format main '$uri';\naccess_log /var/log/nginx/access.log main;",
    )
    assert "# access_log: " in nginx_conf(tmp_path), "each request would be there twice"
    put(tmp_path, http_d__a_conf="access_log /var/log/nginx/other.log;")
    assert "access_log         /var/log/nginx/access.log  main;" in nginx_conf(tmp_path)


def test_types_are_included_once(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="include /etc/nginx/mime.types;\ntypes { text/csv csv; }")
    found = nginx_conf(tmp_path)
    assert "# include: " in found and "\n    include            mime.types;" not in found


@pytest.mark.parametrize(
    ("line", "group", "said"),
    [
        ("keepalive_timeout 5;", {}, "keepalive_timeout_s in group_data says it (65)"),
        ("client_body_timeout 5m;", {}, "client_body_timeout_s in group_data says it"),
        ("client_header_timeout 5m;", {}, "client_header_timeout_s in group_data"),
        ("send_timeout 5m;", {}, "send_timeout_s in group_data"),
        ("resolver 10.0.0.1;", {"resolver": ["10.0.0.53"]}, "resolver in group_data says it"),
    ],
)
def test_what_a_setting_says_is_refused_by_its_name(
    tmp_path: Path, line: str, group: dict[str, Any], said: str
) -> None:
    given: dict[str, Any] = {"upstreams": {"a": ["10.0.0.1:80"]}, "proxy": {"/": "a"}, **group}
    (found,) = mistakes(put(tmp_path, http_d__a_conf=line), **given)
    assert said in found and "http.d/a.conf:1: " in found


def test_what_says_the_same_as_the_setting_is_no_mistake(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="keepalive_timeout 65; resolver 10.0.0.1;")
    assert not mistakes(tmp_path)
    assert "# keepalive_timeout: " in nginx_conf(tmp_path)


def test_every_line_of_ours_is_one_that_can_be_left_out(tmp_path: Path) -> None:
    """Each stands on one line of its own; else a half of it would stay."""
    node = pair(
        put(tmp_path), client_limits={"connections": 5, "requests_per_s": 5}, keepalive_requests=5
    )[0]
    lines = nginx_files.nginx_conf(node, 1, "").split("\n")
    every = directives("\n".join(lines))
    (http,) = (one for one in every if one.words == ("http",))
    names = [one for one in http.block if not clashes._REPEATED.fullmatch(one.words[0])]
    assert {"sendfile", "limit_conn_status", "keepalive_requests"} < {one.words[0] for one in names}
    for one in names:
        line = lines[one.line - 1].strip()
        assert line.startswith(one.words[0]) and line.endswith(";") and line.count(";") == 1, line


# --- inside our servers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "line", "said"),
    [
        (
            "server_d__a_conf",
            "location = /tandem-health { }",
            "the default server has this location",
        ),
        ("server_d__a_conf", "root /srv;", "the default server has `root /usr/html;`"),
        ("server_d__b_org__a_conf", "location / { }", "the site b.org has this location already"),
        (
            "server_d__b_org__a_conf",
            "location ^~ / { }",
            "the site b.org has this location already",
        ),
    ],
)
def test_what_our_server_has_is_not_taken_twice(
    tmp_path: Path, piece: str, line: str, said: str
) -> None:
    found = mistakes(put(tmp_path, **{piece: line}), sites=SITES)
    assert len(found) == 1 and said in found[0], found


def test_what_only_another_server_has_is_no_clash(tmp_path: Path) -> None:
    put(
        tmp_path,
        server_d__b_org__a_conf="root /srv; location = /tandem-health { } location ~ / { }",
        server_d__a_conf="add_header A b; location = / { } error_page 404 /404.html;",
    )
    assert not mistakes(tmp_path, sites=SITES)


# --- modules, and files of nginx's own -------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ("server { listen 81 ssl http2; }", "--with-http_v2_module"),
        ("server { listen 81; http2 on; }", "--with-http_v2_module"),
        (
            "server { listen 81; location / { auth_request /a; } }",
            "--with-http_auth_request_module",
        ),
        ("set_real_ip_from 10.0.0.0/8; real_ip_header X;", "--with-http_realip_module"),
        ("server { listen 81; sub_filter a b; }", "--with-http_sub_module"),
    ],
)
def test_a_module_that_is_not_there_is_told_with_its_flag(
    tmp_path: Path, line: str, flag: str
) -> None:
    put(tmp_path, conf_d__a_conf=line)
    (said,) = mistakes(tmp_path, nginx_extra_flags=["--with-debug"])
    assert said.endswith(f'nginx_extra_flags = ["--with-debug", "{flag}"] adds it')
    assert not mistakes(tmp_path, nginx_extra_flags=[flag])
    assert not mistakes(tmp_path, nginx_extra_flags=[f"{flag}=dynamic"])


def test_values_of_maps_are_no_directives(tmp_path: Path) -> None:
    put(tmp_path, conf_d__a_conf="map $a $b { slice 1; http2 on; }")
    assert not mistakes(tmp_path)


def test_streams_have_modules_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, stream_d__a_conf="server { listen 993 ssl; ssl_certificate x; }")
    (said,) = mistakes(tmp_path)
    assert '["--with-stream_ssl_module"]' in said


def test_a_stream_of_udp_leaves_http_3_its_port(tmp_path: Path) -> None:
    issued = authority.issue(tmp_path, ["172.16.12.254"])
    given = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    put(tmp_path, stream_d__a_conf="server { listen 443 udp; proxy_pass 10.0.0.1:1; }")
    assert not mistakes(tmp_path, **given)
    (said,) = mistakes(tmp_path, **given, http3=True)
    assert "listen = '443'" in said and "give the stream another one" in said


def test_a_server_of_ones_own_may_speak_http_3_where_nginx_has_it(tmp_path: Path) -> None:
    issued = authority.issue(tmp_path, ["172.16.12.254"])
    given = {"tls_certificate": str(issued.certificate), "tls_key": str(issued.key)}
    put(tmp_path, conf_d__a_conf="server { listen 443 ssl; listen 443 quic; server_name a.test; }")
    (said,) = mistakes(tmp_path, **given)
    assert "--with-http_v3_module" in said
    assert not mistakes(tmp_path, **given, http3=True)


def test_a_module_of_others_is_told_with_where_it_is(tmp_path: Path) -> None:
    put(tmp_path, http_d__a_conf="brotli on;")
    (said,) = mistakes(tmp_path)
    assert "brotli = 'on'" in said and "google/ngx_brotli" in said
    put(tmp_path, main_d__a_conf="load_module /etc/nginx/files/ngx_http_brotli_filter_module.so;")
    assert not mistakes(tmp_path)


def test_an_older_nginx_is_told_how_it_says_http_2(tmp_path: Path) -> None:
    put(tmp_path, conf_d__a_conf="server { listen 81 ssl; http2 on; }")
    given = {"nginx_version": "1.22.1", "nginx_extra_flags": ["--with-http_v2_module"]}
    (said,) = mistakes(tmp_path, **given)
    assert "nginx 1.22.1 does not know this directive: `listen 443 ssl http2;`" in said


def test_nginxs_own_parameters_are_brought_where_they_are_included(tmp_path: Path) -> None:
    put(tmp_path, conf_d__a_conf="server { listen 81; include snippets/fastcgi-php.conf; }")
    found = made(tmp_path)
    assert {"etc/snippets/fastcgi-php.conf", "etc/fastcgi_params"} < set(found.files)
    assert "SCRIPT_FILENAME" in str(found.files["etc/snippets/fastcgi-php.conf"])
    # The settings' own is called so where they have a path by FastCGI.
    assert not {"etc/uwsgi_params", "etc/fastcgi.conf"} & set(found.files)
    assert "yielding=fastcgi_params snippets/fastcgi-php.conf\n" in str(found.files["about"])
    put(tmp_path, conf_d__a_conf="server { listen 81; include fastcgi.conf; }")
    assert "SCRIPT_FILENAME" in str(made(tmp_path).files["etc/fastcgi.conf"])
    put(tmp_path, files__fastcgi_conf="# mine")
    found = made(tmp_path)
    assert found.files["etc/fastcgi.conf"] == b"# mine"
    assert "yielding=\n" in str(found.files["about"]) or "yielding" not in str(found.files["about"])
    assert all((companions.FILES_OF_TANDEM / name).is_file() for name in companions.STANDARD)


def test_nginxs_fastcgi_conf_is_not_taken_for_ours(tmp_path: Path) -> None:
    put(tmp_path, conf_d__a_conf="server { listen 81; include fastcgi.conf; }")
    given = {
        "upstreams": {"php": ["10.0.0.1:9000"]},
        "paths": {"/app/": {"fastcgi": "php", "root": "/srv/app"}},
    }
    (said,) = mistakes(tmp_path, **given)
    assert "`include fastcgi_params; fastcgi_param SCRIPT_FILENAME" in said


@pytest.mark.parametrize("listen", ["[::]:80", "[::]:443 ssl"])
def test_a_socket_of_both_families_is_refused_where_ours_listen(
    tmp_path: Path, listen: str
) -> None:
    put(tmp_path, http_d__a_conf=f"server {{ listen {listen} ipv6only=off; }}")
    found = mistakes(tmp_path)
    assert bool(found) is listen.endswith("80"), "without TLS nobody listens on 443"
    put(tmp_path, http_d__a_conf="server { listen [::]:80; listen [::]:81 ipv6only=off; }")
    assert not mistakes(tmp_path)
