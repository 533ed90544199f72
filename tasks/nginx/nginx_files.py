"""What stands in /etc/nginx on a machine, made of its settings: file by file."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, NamedTuple

from controller import rendering
from settings import Node, secret_origins
from settings.own_pieces import STREAM
from settings.serving.places import PASSED_ON
from settings.serving.serving_settings import DEFAULT_SERVER
from settings.serving.site import content_name
from settings.values import local_path
from tasks.machine.survey import BUILDS

WORKERS_PER_CPU = {"cpu": 1, "io": 2}


class NginxFiles(NamedTuple):
    """`texts`: by their path below /etc/nginx. `workers_read`: those that workers read, too."""

    texts: dict[str, str | bytes]
    workers_read: tuple[str, ...]


def nginx_conf(node: Node, cpus: int, build: str, own: Set[str] = frozenset()) -> str:
    """The text of nginx.conf. `own`: the directories of a person's own pieces."""
    return _render(
        "nginx.conf.j2",
        node,
        own_pieces=own,
        cpus=cpus,
        workers=cpus * WORKERS_PER_CPU[node.workload],
        perl_modules=f"{BUILDS}/{build}/perl",
    )


def site_files(node: Node, own: Set[str] = frozenset()) -> dict[str, str]:
    """A file for each site."""
    return {
        f"sites/{site.name}.conf": _render("site.conf.j2", node, site=site, own_pieces=own)
        for site in node.sites
    }


def upstreams_conf(node: Node) -> str:
    """The servers behind this one."""
    return _render("upstreams.conf.j2", node)


def servers(node: Node) -> str:
    """The text of all servers that Tandem writes, whichever file they are in."""
    return "\n".join((nginx_conf(node, 1, ""), *site_files(node).values()))


def _render(template: str, node: Node, **values: Any) -> str:
    return rendering.render(f"nginx/{template}", node=node, **values)


def files(node: Node, cpus: int, build: str, own: Set[str] = frozenset()) -> NginxFiles:
    """All that the settings make. Secrets that cannot be had raise `SecretError`.

    + own: the directories of a person's own pieces, "server.d/NAME" for those of one server.
    """
    texts: dict[str, str | bytes] = {"nginx.conf": nginx_conf(node, cpus, build, own)}
    texts |= site_files(node, own)
    if STREAM in own:
        texts["stream.conf"] = _render("stream.conf.j2", node, own_pieces=own)
    if node.upstreams:
        texts["upstreams.conf"] = upstreams_conf(node)
    used = {place.kind for place in node.every_place}
    for protocol in sorted(used & set(PASSED_ON) & {"fastcgi", "uwsgi"}):
        texts[f"{protocol}.conf"] = rendering.read(f"nginx/{protocol}.conf")
    for pair in node.certificates:
        texts[f"tls/{pair.name}.pem"] = local_path(pair.certificate).read_text()
        texts[f"tls/{pair.name}.key"] = secret_origins.read(pair.key).decode()
    texts |= _upstream_files(node)
    passwords = _passwords(node)
    return NginxFiles(texts | passwords, tuple(passwords))


def _upstream_files(node: Node) -> dict[str, str]:
    """Whom nginx believes behind it, and its own certificate for those."""
    found: dict[str, str] = {}
    for upstream in node.upstreams:
        if not (tls := upstream.tls):
            continue
        named = {"ca.pem": tls.ca_file, "pem": tls.certificate, "key": tls.key}
        for ending, path in named.items():
            if path:
                found[f"tls/upstream-{upstream.name}.{ending}"] = local_path(path).read_text()
    return found


def _passwords(node: Node) -> dict[str, str | bytes]:
    """The files of `basic_auth`."""
    servers = {DEFAULT_SERVER: node.places} | {site.name: site.places for site in node.sites}
    return {
        f"auth/{content_name(server, place)}": local_path(place.basic_auth.file).read_bytes()
        for server, places in servers.items()
        for place in places
        if place.basic_auth
    }
