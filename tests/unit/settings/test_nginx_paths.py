"""Every directive that names a path: what it is needed for, and what nginx's walls make of it."""

from __future__ import annotations

import pytest

from settings.nginx_paths import (
    NamedPath,
    Walls,
    directives,
    forbidden,
    named_paths,
    transparent_binds,
)

WALLS = Walls(("/var/log/nginx", "/var/tmp/nginx", "/run/nginx"))
WIDER = Walls((*WALLS.writable, "/srv/w", "/home/w"), ("/home/site", "/root/keys"))
PASSES = ("proxy_pass http://", "fastcgi_pass ", "uwsgi_pass ", "scgi_pass ", "memcached_pass ")
CERTIFICATES = (
    *("ssl_certificate", "ssl_certificate_key", "ssl_trusted_certificate", "ssl_crl"),
    *("ssl_client_certificate", "ssl_dhparam", "ssl_password_file", "ssl_session_ticket_key"),
    *("ssl_stapling_file", "proxy_ssl_certificate", "proxy_ssl_certificate_key"),
    *("proxy_ssl_trusted_certificate", "grpc_ssl_crl", "uwsgi_ssl_password_file"),
)
CACHES = ("proxy_cache_path", "fastcgi_cache_path", "uwsgi_cache_path", "scgi_cache_path")
TEMPORARY = (
    *("client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path"),
    *("scgi_temp_path",),
)
# What workers or the master write: PATH stands for it.
WRITTEN = (
    *("access_log PATH", "access_log PATH/$host.log main", "error_log PATH info", "pid PATH"),
    *(f"{name} PATH keys_zone=a:1m" for name in CACHES),
    *(f"{name} PATH 1 2" for name in TEMPORARY),
    *("proxy_store PATH/$uri", "fastcgi_store PATH/$uri", "listen unix:PATH"),
    *("google_perftools_profiles PATH/profile", "location / { root PATH; dav_methods PUT; }"),
    *("location / { alias PATH; proxy_store on; }", "state PATH", "state_path PATH"),
    "js_shared_dict_zone zone=a:1m state=PATH/a.json",
    "root PATH; location /x { dav_methods PUT DELETE; }",
    "dav_methods PUT; location /x { root PATH; }",
)
# What is read, by workers or by the master, and sockets that workers connect to.
USED = (
    *("root PATH", "root PATH/$host/html", "location /x { alias PATH/; }"),
    *("auth_basic_user_file PATH", "working_directory PATH", "include PATH", "include PATH/*.conf"),
    *(f"{name} PATH" for name in CERTIFICATES),
    *("ssl_certificate PATH/$ssl_server_name.pem", "load_module PATH", "perl_modules PATH"),
    *(
        "quic_host_key PATH",
        "perl_require PATH",
        "xslt_stylesheet PATH",
        "geoip_country PATH",
        "js_import a from PATH",
    ),
    *(f"{name}unix:PATH" for name in PASSES),
    *("grpc_pass grpc://unix:PATH", "upstream a { server unix:PATH weight=2; }"),
    *("proxy_pass http://unix:PATH:/uri", "access_log syslog:server=unix:PATH,tag=a"),
    "map $a $b { include PATH; }",
)
NO_PATHS = (
    *("access_log off", "access_log syslog:server=logs.lab:514", "error_log stderr"),
    *("error_log memory:32m", "proxy_store off", "ssl_certificate data:$pem", "listen 80"),
    *("ssl_certificate_key engine:pkcs11:key", "proxy_pass http://app", "include mime.types"),
    *("root html", "root $document", "dav_methods off", "try_files $uri /home/x =404"),
    *("location /home/x { return 200; }", "# root /home/x", "return 200 '; root /home/x;'"),
    *("map $a $b { root /home/x; }", "types { root /home/x; }", "server_name home"),
    *("error_log /dev/null", "auth_basic_user_file htpasswd", "add_header a /home/x"),
)


def refused(text: str, path: str, walls: Walls) -> list[str]:
    """The remedies for what the walls forbid of a directive with PATH in it."""
    text = text.replace("PATH", path)
    text = text if text.endswith("}") else f"{text};"
    named = named_paths(f"server {{\n  {text}\n}}")
    return [remedy for each in named if (remedy := forbidden(each, walls))]


@pytest.mark.parametrize("text", WRITTEN)
def test_what_is_written_has_to_be_where_nginx_may_write(text: str) -> None:
    for path in ("/srv/w/a", "/var/cache/other", "/home/w/a"):
        remedies = refused(text, path, WALLS)
        assert any("nginx_writable_paths" in remedy for remedy in remedies)
    for path in ("/srv/wide/a", "/home/site/a"):
        assert refused(text, path, WIDER), "this one may be read, not written"
    for path in ("/srv/w/a", "/srv/w", "/home/w/a"):
        assert refused(text, path, WIDER) == []
    for path in ("/var/log/nginx/a", "/var/tmp/nginx/a", "/run/nginx/a", "/var/run/nginx/a"):
        assert refused(text, path, WALLS) == []


@pytest.mark.parametrize("text", USED)
def test_what_is_used_may_be_anywhere_but_in_homes(text: str) -> None:
    for path in ("/home/site/a", "/root/keys/a", "/run/user/1/a", "/srv/../home/a"):
        (remedy,) = refused(text, path, WALLS)
        assert "nginx_readable_homes" in remedy
    assert refused(text, "/home/sites/a", WIDER), "a name that begins alike is another one"
    for path in ("/home/site/a", "/home/site", "/root/keys/a", "/home/w/a"):
        assert refused(text, path, WIDER) == []
    for path in ("/srv/a", "/usr/html", "/homes/a", "/run/app.sock"):
        assert refused(text, path, WALLS) == []


@pytest.mark.parametrize("text", NO_PATHS)
def test_what_names_no_path_is_left_to_nginx(text: str) -> None:
    assert refused(text, "", WALLS) == []


def test_where_a_variable_decides_one_of_several_homes_is_enough() -> None:
    assert refused("root /home/$host/html", "", WIDER) == []
    assert refused("root /home/$host/html", "", WALLS)
    assert refused("root /home/$host/html", "", Walls((), ("/home",))) == []


def test_the_line_is_the_one_where_the_directive_begins() -> None:
    text = "# one\nserver {\n  access_log\n    /srv/a.log\n  main;\n\n  root '/srv/a b';\n}\n"
    assert named_paths(text) == (
        NamedPath("access_log", "/srv/a.log", "open", 3),
        NamedPath("root", "/srv/a b", "read", 7),
    )


@pytest.mark.parametrize(
    "text", ["}", "{", "server {", "root;", "root /a", '"', "server { } }", "a { { } }"]
)
def test_what_is_broken_is_nginxs_to_refuse(text: str) -> None:
    assert named_paths(text) == ()
    directives(text)


def test_without_a_root_it_is_the_page_that_clients_would_write() -> None:
    for text in ("location /x { dav_methods PUT; }", "dav_methods PUT; location /x { }"):
        (remedy,) = refused(text, "", WALLS)
        assert "nginx_writable_paths" in remedy
    within = "dav_methods PUT; location /x { dav_methods off; }"
    assert refused(within, "", WALLS) == []


def test_what_needs_rights_that_the_unit_keeps_from_nginx_is_found_in_any_block() -> None:
    text = "server {\n location / {\n proxy_bind $remote_addr transparent;\n } }\n"
    (found,) = transparent_binds(directives(text))
    assert found.line == 3
    assert not list(
        transparent_binds(directives("proxy_bind 10.0.0.1; server { uwsgi_bind off; }"))
    )
