"""What people call settings who know them by other names: nginx's own, and those of other tools.

Each with the setting that is meant, wherever that is had. How it is written there is said by
settings/wording/foreign_forms.py.
"""

from __future__ import annotations

FOREIGN = {
    # A path with a plain value, {"/": "app"}.
    "?": "proxy",
    **dict.fromkeys(("upstream", "proxy_pass", "backend", "proxy_to"), "proxy"),
    **dict.fromkeys(("alias", "document_root", "docroot", "webroot"), "directory"),
    **dict.fromkeys(("return", "rewrite", "redirect_to"), "redirect"),
    **dict.fromkeys(("grpc_pass",), "grpc"),
    **dict.fromkeys(("fastcgi_pass", "php"), "fastcgi"),
    **dict.fromkeys(("uwsgi_pass",), "uwsgi"),
    **dict.fromkeys(("server_name", "domain", "domains", "hostname", "name"), "server_names"),
    **dict.fromkeys(("client_max_body_size", "max_body_size", "body_size_mb"), "max_body_mb"),
    **dict.fromkeys(("proxy_read_timeout", "fastcgi_read_timeout"), "read_timeout_s"),
    **dict.fromkeys(("proxy_send_timeout", "fastcgi_send_timeout"), "send_timeout_s"),
    **dict.fromkeys(("proxy_connect_timeout", "connect_timeout"), "connect_timeout_s"),
    **dict.fromkeys(("read_timeout", "send_timeout", "client_header_timeout"), "_timeout"),
    **dict.fromkeys(("keepalive_timeout", "client_body_timeout", "idle_timeout"), "_timeout"),
    "proxy_buffering": "buffering",
    "proxy_request_buffering": "request_buffering",
    "proxy_set_header": "send_headers",
    "proxy_hide_header": "hide_headers",
    "add_header": "headers",
    "autoindex": "listing",
    "try_files": "fallback",
    "auth_basic_user_file": "basic_auth",
    "auth_basic": "basic_auth",
    "limit_req": "limits",
    "limit_conn": "limits",
    "set_real_ip_from": "trusted_proxies",
    "ssl_certificate": "tls_certificate",
    "ssl_certificate_key": "tls_key",
    "vhosts": "sites",
    "servers": "to",
    "server": "servers",
    **dict.fromkeys(("udp", "tcp"), "protocol"),
    **dict.fromkeys(("port", "listen_port"), "listen"),
    **dict.fromkeys(("neighbor", "neighbors", "peers", "bgp_peers"), "routers"),
    **dict.fromkeys(("remote_as", "peer_as", "peer_asn", "local_as"), "asn"),
    **dict.fromkeys(("as_number", "as", "autonomous_system"), "asn"),
    **dict.fromkeys(("ip", "ip_address", "peer_address", "neighbor_address"), "address"),
    **dict.fromkeys(("multihop", "ebgp_multihop"), "hops"),
}


# What answers a path, and no whole site.
_ANSWERS = ("directory", "redirect", "proxy", "grpc", "fastcgi", "uwsgi", "root", "limits")


def stands_for(name: str, known: frozenset[str]) -> str:
    """The one of these settings in whose place `name` may have been set, "" for none."""
    if meant := meant_by(name, known):
        return meant
    answers = name in _ANSWERS or FOREIGN.get(name) in _ANSWERS
    return "paths" if answers and "paths" in known else ""


def meant_by(name: str, known: frozenset[str]) -> str:
    """Which of these settings it is, "" for none."""
    meant = FOREIGN.get(name, "")
    if meant == "_timeout":
        meant = f"{name}_s"
    return meant if meant in known else ""
