"""What stands in /etc/nginx on a machine, made of its settings: file by file."""

from __future__ import annotations

from typing import Any, NamedTuple

from controller import rendering
from settings import Node, secret_origins
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


def nginx_conf(node: Node, cpus: int, build: str) -> str:
    """The text of nginx.conf."""
    return _render(
        "nginx.conf.j2",
        node,
        cpus=cpus,
        workers=cpus * WORKERS_PER_CPU[node.workload],
        perl_modules=f"{BUILDS}/{build}/perl",
    )


def site_files(node: Node) -> dict[str, str]:
    """A file for each site."""
    return {
        f"sites/{site.name}.conf": _render("site.conf.j2", node, site=site) for site in node.sites
    }


def stream_conf(node: Node) -> str:
    """The text of what is passed on as it is."""
    resolves = any(s.upstream and node.upstream(s.upstream).resolve for s in node.streams)
    return _render("stream.conf.j2", node, resolves=resolves)


def servers(node: Node) -> str:
    """The text of all servers that Tandem writes, whichever file they are in."""
    return "\n".join((nginx_conf(node, 1, ""), *site_files(node).values()))


def _render(template: str, node: Node, **values: Any) -> str:
    return rendering.render(f"nginx/{template}", node=node, **values)


def files(node: Node, cpus: int, build: str) -> NginxFiles:
    """All that the settings make. Secrets that cannot be had raise `SecretError`."""
    texts: dict[str, str | bytes] = {"nginx.conf": nginx_conf(node, cpus, build)}
    texts |= site_files(node)
    if node.upstreams:
        texts["upstreams.conf"] = _render("upstreams.conf.j2", node)
    if node.streams:
        texts["stream.conf"] = stream_conf(node)
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
    spoken = [(f"upstream-{each.name}", ".", each.tls) for each in node.upstreams]
    # (What clients are shown has the name without `client`.)
    spoken += [(stream.file_name, ".client.", stream.to_tls) for stream in node.streams]
    return {
        f"tls/{name}{ending}": local_path(path).read_text()
        for name, own, tls in spoken
        if tls
        for ending, path in (
            (".ca.pem", tls.ca_file),
            (f"{own}pem", tls.certificate),
            (f"{own}key", tls.key),
        )
        if path
    }


def _passwords(node: Node) -> dict[str, str | bytes]:
    """The files of `basic_auth`."""
    servers = {DEFAULT_SERVER: node.places} | {site.name: site.places for site in node.sites}
    return {
        f"auth/{content_name(server, place)}": local_path(place.basic_auth.file).read_bytes()
        for server, places in servers.items()
        for place in places
        if place.basic_auth
    }
