"""What nginx answers to each name and path by its own configuration, beside the settings."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Node
from settings.serving.places import FILES, Place
from settings.serving.serving_settings import DEFAULT_SERVER
from verify.read.blocks import Block

# What stands in a location for what answers it, by the kind of place.
DIRECTIVES = {
    "proxy": "proxy_pass",
    "grpc": "grpc_pass",
    "fastcgi": "fastcgi_pass",
    "uwsgi": "uwsgi_pass",
}
# What the server for unknown hosts is named: who names none, and every other name.
CATCH_ALL = ("", "~.")
# Where the default server has each machine's own page.
PAGES = "/usr/html"


def served_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with who is answered, and from where."""
    servers = {name: server for server, name in _named(root)}
    yield from _unknown_otherwise(root, node)
    for name in (*node.own_names, *CATCH_ALL):
        servers.pop(name, None)
    wanted = {name: (site.name, site.places) for site in node.sites for name in site.server_names}
    for name, (whose, places) in ({"_": (DEFAULT_SERVER, node.places)} | wanted).items():
        if not (server := servers.pop(name, None)):
            yield f"no server answers to {name}"
            continue
        for place in places:
            yield from _otherwise(server, name, whose, place, node)
        if name in wanted:
            yield from _let_in_otherwise(server, name, node)
    if default := next((server for server, name in _named(root) if name == "_"), None):
        page = default.last("root")
        if node.page_path == "/" and page not in (PAGES, PAGES.removeprefix("/usr/")):
            yield f"root of _ is {page or 'not set'}, not {PAGES}"
    for name in servers:
        yield f"answers to {name}, which is not a site's name"


def _named(root: Block) -> Iterator[tuple[Block, str]]:
    """Each server that serves something, once for each of its names. (That of plain HTTP, where all
    goes over TLS, only redirects.)"""
    for server in root.every("http", "server"):
        if not _redirects_all(server):
            yield from ((server, name) for name in _names(server))


def _names(server: Block) -> tuple[str, ...]:
    return tuple(name for each in server.every("server_name") for name in each.words[1:])


def _unknown_otherwise(root: Block, node: Node) -> Iterator[str]:
    """What is wrong with who answers what no server is named for, and what Tandem asks by."""
    servers = list(root.every("http", "server"))
    default = [server for server in servers if "_" in _names(server)]
    for name in node.own_names:
        for server in default:
            if name not in _names(server):
                yield f"the default server does not answer to {name}, which Tandem asks by"
    ports = [] if node.serves_unknown else sorted({node.http_port, node.served_port})
    catching = [server for server in servers if CATCH_ALL[1] in _names(server)]
    if node.serves_unknown and catching:
        yield "unknown hosts are not answered by the default server"
    for port in ports:
        here = [server for server in catching if _listens_on(server, port)]
        said = [[*_returns(server), *_with_page(server)] for server in here]
        right = node.answers_unknown_by.split()[1:]
        if node.unknown_page_directory:
            right += ["with", node.unknown_page_directory]
        if said != [right]:
            found = " and ".join(map(" ".join, said)) or "nothing of its own"
            yield f"an unknown host gets {found} on {port}, not {' '.join(right)}"


def _listens_on(server: Block, port: int) -> bool:
    """Whether it does on every address."""
    return any(each.words[1] == str(port) for each in server.every("listen"))


def _returns(server: Block) -> list[str]:
    """What it answers with, for all but a certificate authority."""
    everywhere = [each for each in server.every("location") if each.words[1:] == ("/",)]
    return next(iter(everywhere), server).last("return").split()


def _with_page(server: Block) -> list[str]:
    """From where it brings a page with that."""
    pages = [each for each in server.every("location") if each.words[1:] == ("=", "/index.html")]
    return ["with", pages[0].last("root")] if pages else []


def _redirects_all(server: Block) -> bool:
    everything = [place for place in server.every("location") if place.words[1:] == ("/",)]
    return any(place.last("return").startswith("301 https://$host") for place in everything)


def _otherwise(server: Block, name: str, whose: str, place: Place, node: Node) -> Iterator[str]:
    """What is wrong with one path of a server."""
    words = tuple(f"= {place.location}".split() if place.is_exact else (place.location,))
    found = [each for each in server.every("location") if each.words[1:] == words]
    where = f"{name}{place.location}"
    if not found:
        yield f"nothing is set for {where}"
        return
    location = found[0]
    if place.kind in DIRECTIVES:
        target = _target(location, DIRECTIVES[place.kind])
        # (What is looked up for each request is a variable.)
        looked_up = node.looks_up(node.upstream(place.upstream))
        if not (target.startswith("$") if looked_up else target == place.upstream):
            yield f"{where} goes to {target or 'nobody'}, not to {place.upstream}"
    elif place.kind == "redirect":
        said, right = location.last("return"), f"{place.status} {node.as_asked(place.redirect)}"
        if said != right:
            yield f"{where} is {said or 'no redirect'}, not {right}"
    else:
        right = node.files_directory(whose, place)
        served = (location.last("alias") or location.last("root")).rstrip("/")
        served = served.removesuffix("/index.html") if place.kind == "page" else served
        if served != right:
            yield f"{where} is served from {served or 'nowhere'}, not from {right}"
        written = set(location.last("dav_methods").split())
        if written != (set(node.dav_methods) if place.webdav else set()):
            yield f"{where} takes {', '.join(sorted(written)) or 'nothing of WebDAV'}"
        if place.kind in FILES and (location.last("autoindex") == "on") != place.listing:
            yield f"{where} shows {'no ' if place.listing else ''}listing of its files"


def _let_in_otherwise(server: Block, name: str, node: Node) -> Iterator[str]:
    """What is wrong with who is let into a whole site."""
    site = next(site for site in node.sites if name in site.server_names)
    asks = server.last("ssl_verify_client") or "off"
    right = site.client_certificates.verify if site.client_certificates and node.tls else "off"
    if asks != right:
        yield f"{name} asks clients for certificates: {asks}, not {right}"
    closed = any(each.last("return") == "503" for each in server.every("if"))
    if closed != bool(node.maintenance_of(site.maintenance)):
        yield f"{name} is {'' if closed else 'not '}closed for maintenance"


def _target(location: Block, directive: str) -> str:
    """Whom it asks: the host of a URL, or the name alone."""
    words = [each.words[1] for each in location.every(directive) if len(each.words) > 1]
    words += [each.words[1] for each in location.every("location", directive)]
    return words[0].rpartition("://")[2].partition("/")[0] if words else ""
