"""What cannot work about sites and TLS: names, directories, certificates that are missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_network

from settings.mistakes.content_mistakes import in_directory, unreadable
from settings.mistakes.mistake import Bars, Mistake
from settings.node import Node
from settings.serving.http_versions import HTTP2_DIRECTIVE, HTTP3_SINCE
from settings.serving.site import RESERVED, Certificate, Site
from settings.serving.site_names import is_regex, regex_fault, spelled_out
from settings.serving.site_options import keeps_sessions_apart
from settings.serving.unknown_host import CLOSE, REJECTS
from settings.values import UNREAD, is_address, judged, local_path

BOTH = "TLS takes both: tls_certificate and tls_key"


def _names(node: Node) -> Iterator[Mistake]:
    named = [(index, site) for index, site in _sites(node) if site.server_names is not UNREAD]
    counts = Counter(
        each for _, site in named for name in site.server_names for each in spelled_out(name)
    )
    for index, site in named:
        for name in dict.fromkeys(site.server_names):
            wrong = partial(Mistake, node.name, f"sites[{index}].server_names", name)
            if any(counts[each] > 1 for each in spelled_out(name)):
                also = " (.NAME is NAME and *.NAME)" if name not in counts else ""
                yield wrong(f"give each name once{also}; nginx would ignore all but the first")
            if name in (RESERVED, "_") or is_address(name):
                yield wrong("this is how Tandem asks for a machine's own page; give a name")
            if re.fullmatch(r"default|upstream-.*|.*\.clients", name):
                yield wrong("Tandem has files of its own under such a name: give another first")
            if is_regex(name) and (why := regex_fault(name)):
                yield wrong(f"give a regular expression that nginx takes: {why}")


def _one_kind(node: Node) -> Iterator[Mistake]:
    for index, site in _sites(node):
        yield from judged(_kind_of(node, index, site))


def _kind_of(node: Node, index: int, site: Site) -> Iterator[Mistake]:
    if site.content and site.page:
        value = f"content {site.content!r}, page {site.page!r}"
        yield Mistake(node.name, f"sites[{index}]", value, "give either `content` or `page`")
    if not site.places:
        remedy = "say what it serves: `content`, `page` or `paths`"
        yield Mistake(node.name, f"sites[{index}]", "nothing", remedy)


def _nothing_to_close(node: Node) -> Iterator[Mistake]:
    if node.maintenance and node.maintenance.closed and not node.sites:
        remedy = "it closes sites, and there is none (paths beside sites stay open): leave it out"
        yield Mistake(node.name, "maintenance", "closed", remedy)


def _directories(node: Node) -> Iterator[Mistake]:
    for index, site in _sites(node):
        if site.content is not UNREAD and site.content:
            for remedy in in_directory(local_path(site.content)):
                setting = f"sites[{index}].content"
                # Somebody may have moved it since it was deployed.
                yield Mistake(node.name, setting, site.content, remedy, Bars.DEPLOY)


def _ports(node: Node) -> Iterator[Mistake]:
    if node.tls_certificate and node.https_port == node.http_port:
        yield Mistake.of(node, "https_port", "http_port is the same; give another")


def _speakers(node: Node) -> Iterator[Callable[[str], Mistake]]:
    """Who is to speak HTTP/3: each makes a mistake about that, of what would be right."""
    if node.http3:
        yield partial(Mistake.of, node, "http3")
    for index, site in _sites(node):
        if site.http3 is not UNREAD and site.http3:
            yield partial(Mistake, node.name, f"sites[{index}].http3", True)


def _http3(node: Node) -> Iterator[Mistake]:
    for wrong in _speakers(node):
        if not node.tls_certificate:
            yield wrong("HTTP/3 is always encrypted: set tls_certificate and tls_key, or False")


def _http3_too_early(node: Node) -> Iterator[Mistake]:
    for wrong in _speakers(node):
        if node.release < HTTP3_SINCE:
            since = _dotted(HTTP3_SINCE)
            remedy = f"nginx {node.nginx_version} has none: set nginx_version to {since} or newer"
            yield wrong(f"{remedy}, or False")


def _http3_behind_balancers(node: Node) -> Iterator[Mistake]:
    for wrong in _speakers(node):
        if node.proxy_protocol:
            yield wrong(
                "proxies that speak PROXY protocol (proxy_protocol) bring TCP alone, and nginx "
                "takes none before QUIC: let them speak HTTP/3 with clients, and set False"
            )


def _http3_port(node: Node) -> Iterator[Mistake]:
    if node.speaks_http3 and node.https_port in node.beat_ports:
        remedy = "UDP of this port is the hand-over's (docs/handover.md): give another"
        yield Mistake.of(node, "https_port", f"{remedy}, or http3 = False")


def _dotted(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))


def _http2_of_old(node: Node) -> Iterator[Mistake]:
    """A site's own choice, where one port has one."""
    for index, site in _sites(node):
        if site.http2 is UNREAD or site.http2 is None or site.http2 == node.http2:
            continue
        if node.tls_certificate and node.release < HTTP2_DIRECTIVE:
            remedy = (
                f"in nginx {node.nginx_version} HTTP/2 is a whole port's: say it for all (http2, "
                f"beside sites), or set nginx_version to {_dotted(HTTP2_DIRECTIVE)} or newer"
            )
            yield Mistake(node.name, f"sites[{index}].http2", site.http2, remedy)


def _http2(node: Node) -> Iterator[Mistake]:
    """What it does not go with: a site without TLS; gRPC, which is nothing else."""
    yield from judged(_http2_of(node, "http2", None, node))
    for index, site in _sites(node):
        yield from judged(_http2_of(node, f"sites[{index}].http2", site, site))


def _http2_of(
    node: Node, setting: str, site: Site | None, server: Node | Site
) -> Iterator[Mistake]:
    calls = [place.path for place in server.places if place.kind == "grpc"]
    if calls and not node.http2_of(site):
        remedy = f"gRPC is HTTP/2, and {calls[0]} is of that kind: give True"
        yield Mistake(node.name, setting, server.http2, remedy)
    if site and site.http2 and not node.tls_certificate and not calls:
        remedy = "browsers speak HTTP/2 over TLS alone: set tls_certificate and tls_key, or None"
        yield Mistake(node.name, setting, True, remedy)


def _hsts(node: Node) -> Iterator[Mistake]:
    if node.tls_certificate:
        return
    remedy = "HSTS is for TLS: set tls_certificate and tls_key, or 0"
    if node.hsts_s:
        yield Mistake.of(node, "hsts_s", remedy)
    for index, site in _sites(node):
        if site.hsts_s is not UNREAD and site.hsts_s:
            yield Mistake(node.name, f"sites[{index}].hsts_s", site.hsts_s, remedy)


def _pairs(node: Node) -> Iterator[Mistake]:
    """Certificates without a key, keys without a certificate, keys twice."""
    yield from judged(_pair(node.name, node, ""))
    for index, site in _sites(node):
        yield from judged(_pair(node.name, site, f"sites[{index}]."))


def _pair(where: str, given: Node | Site, prefix: str) -> Iterator[Mistake]:
    """`prefix`: what the settings of the certificate and of its key begin with."""
    if bool(given.tls_certificate) != bool(given.key_origins):
        missing = "tls_key" if given.tls_certificate else "tls_certificate"
        yield Mistake(where, f"{prefix}{missing}", "", BOTH)
    for origin in given.key_origins[1:]:
        first = given.key_origins[0].setting
        remedy = f"{first} is set, too: give one of them"
        yield Mistake(where, f"{prefix}{origin.setting}", origin.where, remedy)


def _own_without_common(node: Node) -> Iterator[Mistake]:
    if node.tls_certificate:
        return
    for index, site in _sites(node):
        yield from judged(_own_of(node.name, index, site))


def _own_of(where: str, index: int, site: Site) -> Iterator[Mistake]:
    if site.tls_certificate and site.key_origins:
        remedy = (
            "set tls_certificate and tls_key for all as well: who asks for another name has to be "
            "shown some certificate"
        )
        yield Mistake(where, f"sites[{index}].tls_certificate", site.tls_certificate, remedy)


def _never_asked(node: Node) -> Iterator[Mistake]:
    """Certificates of their own that the verifier could not ask for."""
    for index, site in _sites(node):
        yield from judged(_names_nobody(node.name, index, site))


def _names_nobody(where: str, index: int, site: Site) -> Iterator[Mistake]:
    if (own := site.own_certificate(index)) and not own.asked_as:
        remedy = (
            "a certificate of its own is asked for by a name, and these are regular expressions "
            "alone: give a name beside them, or leave it out"
        )
        yield Mistake(where, f"sites[{index}].tls_certificate", site.tls_certificate, remedy)


def _rejected(node: Node) -> Iterator[Mistake]:
    if node.tls_certificate and node.unknown_host == CLOSE and node.release < REJECTS:
        remedy = "this nginx cannot end a handshake so: give 421, or nginx_version 1.19.4 or newer"
        yield Mistake.of(node, "unknown_host", remedy)


def _client_certificates(node: Node) -> Iterator[Mistake]:
    for index, site in _sites(node):
        yield from judged(_clients_of(node, index, site))


def _clients_of(node: Node, index: int, site: Site) -> Iterator[Mistake]:
    if not site.client_certificates:
        return
    path = site.client_certificates.ca_file
    wrong = partial(Mistake, node.name, f"sites[{index}].client_certificates")
    if not node.tls_certificate:
        yield wrong(path, "clients show them in TLS: set tls_certificate and tls_key")
    if not keeps_sessions_apart(node.release):
        remedy = (
            "in this nginx a session of another site lets a client in without one "
            "(CVE-2025-23419): set nginx_version to 1.26.3, 1.27.4 or newer"
        )
        yield wrong(path, remedy)
    of_file = partial(Mistake, node.name, f"sites[{index}].client_certificates.ca_file", path)
    if why := unreadable(path):
        yield of_file(f"give a file that can be read ({why})", Bars.DEPLOY)
    elif "BEGIN CERTIFICATE" not in (text := local_path(path).read_text(errors="replace")):
        yield of_file("holds no certificate in PEM; give those of the authorities", Bars.DEPLOY)
    elif "PRIVATE KEY" in text:
        yield of_file("holds a private key, too; give the certificates alone", Bars.DEPLOY)


def _certificates(node: Node) -> Iterator[Mistake]:
    """Their files."""
    yield from judged(_files(node.name, lambda: node.common_certificate))
    for index, site in _sites(node):
        yield from judged(_files(node.name, partial(site.own_certificate, index)))


def _files(where: str, pair_of: Callable[[], Certificate | None]) -> Iterator[Mistake]:
    if pair := pair_of():
        # Imported here, because it takes 0.07 s, and most machines have no TLS.
        from settings.mistakes import certificate_mistakes

        yield from certificate_mistakes.mistakes(where, pair)


def _sites(node: Node) -> Iterator[tuple[int, Site]]:
    """Those that could be read."""
    return ((index, site) for index, site in enumerate(node.sites) if site is not UNREAD)


def _maintenance(node: Node) -> Iterator[Mistake]:
    """A maintenance that lets everybody in, or a whole family of addresses."""
    closed = {"maintenance": node.maintenance}
    closed |= {f"sites[{index}].maintenance": site.maintenance for index, site in _sites(node)}
    for where, said in closed.items():
        if said is UNREAD or not said or said.closed is not True:
            continue
        for network in said.allow if said.allow is not UNREAD else ():
            if network is not UNREAD and ip_network(network).prefixlen == 0:
                setting = f"{where}.allow"
                remedy = "this is everybody, whom nothing is kept from: leave it out, or set "
                yield Mistake(node.name, setting, network, f"{remedy}maintenance to False")


PARTS = (
    *(_names, _one_kind, _nothing_to_close, _directories, _ports, _hsts, _pairs),
    *(_http2, _http2_of_old, _http3, _http3_too_early, _http3_behind_balancers, _http3_port),
    *(_own_without_common, _never_asked, _rejected, _client_certificates, _certificates),
    _maintenance,
)
