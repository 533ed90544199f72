"""What stands in /etc/nginx on a machine, made of its settings: file by file."""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any, NamedTuple

from controller import rendering
from settings import Node, nginx_paths, secret_origins
from settings.own_pieces import STREAM
from settings.serving import site_names
from settings.serving.places import PASSED_ON
from settings.serving.serving_settings import DEFAULT_SERVER
from settings.serving.site import content_name
from settings.serving.site_names import HashSizes
from settings.values import local_path
from tasks.machine.survey import BUILDS
from tasks.nginx.response_headers import response_headers
from tasks.nginx.server_names import servers as servers_in

WORKERS_PER_CPU = {"cpu": 1, "io": 2}
# Bytes. Tandem's list of types wants it, and nginx would warn of less.
TYPES_BUCKET = 256


class TableSize(NamedTuple):
    """The size of one of nginx's tables. `where`: FILE:LINE of a person's own that says it, ""
    for ours."""

    value: int
    where: str


class Beside(NamedTuple):
    """What a person has beside Tandem's own files.

    `directories`: of own pieces, "server.d/NAME" for those of one server. `texts`: those that are
    included. `map_sizes`: what is said before the first map, by directive, where they say it.
    """

    directories: Set[str] = frozenset()
    texts: tuple[str, ...] = ()
    map_sizes: Mapping[str, TableSize] = MappingProxyType({})


class NginxFiles(NamedTuple):
    """`texts`: by their path below /etc/nginx. `workers_read`: those that workers read, too."""

    texts: dict[str, str | bytes]
    workers_read: tuple[str, ...]


NOTHING = Beside()


def nginx_conf(node: Node, cpus: int, build: str, beside: Beside = NOTHING) -> str:
    """The text of nginx.conf."""
    bucket = response_headers(node).bucket_size
    ours = {"map_hash_bucket_size": TableSize(bucket, "")} if bucket else {}
    return _render(
        "nginx.conf.j2",
        node,
        own_pieces=beside.directories,
        hash_sizes=_hash_sizes(node, beside.texts),
        map_sizes={**ours, **beside.map_sizes},
        types_bucket=TYPES_BUCKET,
        cpus=cpus,
        workers=cpus * WORKERS_PER_CPU[node.workload],
        perl_modules=f"{BUILDS}/{build}/perl",
    )


def _hash_sizes(node: Node, others: tuple[str, ...]) -> HashSizes:
    """What nginx's table of names needs; nothing is said that somebody's own text says."""
    theirs = (name for text in others for one in servers_in(text) for name in one.names)
    sizes = site_names.hash_sizes((*node.every_name, *theirs))
    return _unsaid(sizes, "server_names_hash", others)


def _unsaid(sizes: HashSizes, table: str, others: tuple[str, ...]) -> HashSizes:
    """Those of a table that somebody's own text does not say."""
    said = {one.words[0] for text in others for one in nginx_paths.directives(text)}
    if f"{table}_bucket_size" in said:
        sizes = sizes._replace(bucket_bytes=None)
    if f"{table}_max_size" in said:
        sizes = sizes._replace(entries=None)
    return sizes


def site_files(node: Node, own: Set[str] = frozenset()) -> dict[str, str]:
    """A file for each site."""
    # Once, and not for each: it looks at every place of every site.
    given = {"own_pieces": own, "cleartext_http2": node.cleartext_http2}
    return {
        f"sites/{site.name}.conf": _render("site.conf.j2", node, site=site, number=number, **given)
        for number, site in enumerate(node.sites)
    }


def upstreams_conf(node: Node) -> str:
    """The servers behind this one."""
    return _render("upstreams.conf.j2", node)


def stream_conf(node: Node, own: Set[str] = frozenset()) -> str:
    """The text of what is passed on as it is."""
    resolves = any(s.upstream and node.upstream(s.upstream).resolve for s in node.streams)
    return _render("stream.conf.j2", node, resolves=resolves, own_pieces=own)


def servers(node: Node) -> str:
    """The text of all servers that Tandem writes, whichever file they are in."""
    return "\n".join((nginx_conf(node, 1, ""), *site_files(node).values()))


def _render(template: str, node: Node, **values: Any) -> str:
    return rendering.render(f"nginx/{template}", node=node, **values)


def files(node: Node, cpus: int, build: str, beside: Beside = NOTHING) -> NginxFiles:
    """All that the settings make. Secrets that cannot be had raise `SecretError`."""
    own = beside.directories
    texts: dict[str, str | bytes] = {"nginx.conf": nginx_conf(node, cpus, build, beside)}
    texts["mime.types"] = rendering.read("nginx/mime.types")
    added = response_headers(node)
    variables = _unsaid(added.variables, "variables_hash", beside.texts)
    added = added._replace(variables=variables)
    for name in ("headers.conf", "header_values.conf"):
        texts[name] = _render(f"{name}.j2", node, added=added)
    texts |= site_files(node, own)
    if node.streams or STREAM in own:
        texts["stream.conf"] = stream_conf(node, own)
    if node.upstreams:
        texts["upstreams.conf"] = upstreams_conf(node)
    used = {place.kind for place in node.every_place}
    for protocol in sorted(used & set(PASSED_ON) & {"fastcgi", "uwsgi"}):
        texts[f"{protocol}.conf"] = _render(f"{protocol}.conf.j2", node)
    for pair in node.certificates:
        texts[f"tls/{pair.name}.pem"] = local_path(pair.certificate).read_text()
        texts[f"tls/{pair.name}.key"] = secret_origins.read(pair.key).decode()
    for site in node.sites:
        if site.client_certificates and node.tls:
            ours = local_path(site.client_certificates.ca_file)
            texts[f"tls/{site.name}.clients.pem"] = ours.read_text()
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
