"""What cannot work about the paths of sites, and of the default server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_network

from settings import nginx_paths
from settings.mistakes.client_mistakes import called_the_same
from settings.mistakes.content_mistakes import in_directory, unreadable
from settings.mistakes.mistake import Bars, Mistake
from settings.mistakes.paths import password_mistakes
from settings.mistakes.paths.option_mistakes import dropped, kept, limits, long_names
from settings.mistakes.proxy_mistakes import no_upstream
from settings.node import Node
from settings.serving.http_versions import HTTP2_DIRECTIVE
from settings.serving.path_options import CHALLENGES, PathOptions
from settings.serving.places import FILES, KINDS, ONLY_OF, Place
from settings.serving.proxy import OWN_PATHS
from settings.serving.site import Site
from settings.values import UNREAD, judged, local_path

# What no client is ever to be shown.
NOBODYS = ("/etc", "/proc", "/sys", "/dev", "/boot", "/var/lib/tandem")
# What gateways say, and applications do not: of these kinds nginx asks nobody else for them.
NO_GATEWAY_ERRORS = ("fastcgi", "uwsgi")
GATEWAY_ERRORS = ("http_502", "http_504")
# What is wrong with one place: the setting in it ("" for the whole), its value, and what is right.
Found = Iterator[tuple[str, object, str]]
Judge = Callable[[Node, Place], Found]
OptionsJudge = Callable[[Node, PathOptions], Found]


def _each(judge: Judge, bars: Bars = Bars.EVERYTHING) -> Callable[[Node], Iterator[Mistake]]:
    """A part that judges every place of a node by itself."""

    def part(node: Node) -> Iterator[Mistake]:
        for where, place in _places(node):
            yield from judged(_told(node, where, judge(node, place), bars))

    return part


def _told(node: Node, where: str, found: Found, bars: Bars) -> Iterator[Mistake]:
    for name, value, remedy in judged(found):
        yield Mistake(node.name, f"{where}.{name}" if name else where, value, remedy, bars)


def _places(node: Node) -> Iterator[tuple[str, Place]]:
    """Those that could be read, each by its name in the settings."""
    if node.paths is not UNREAD:
        for place in _readable(node.paths):
            yield f"paths[{place.path}]", place
    if node.sites is not UNREAD:
        for index, site in enumerate(node.sites):
            if site is not UNREAD and site.paths is not UNREAD:
                for place in _readable(site.paths):
                    yield f"sites[{index}].paths[{place.path}]", place


def _defaults(node: Node) -> Iterator[tuple[str, PathOptions]]:
    """What is said for all paths, each by its name in the settings."""
    sites = enumerate(node.sites if node.sites is not UNREAD else ())
    found = {"": node.path_defaults}
    found |= {f"sites[{index}].": site.path_defaults for index, site in sites if site is not UNREAD}
    for whose, options in found.items():
        if options is not UNREAD and options:
            yield f"{whose}path_defaults", options


def _of_all(
    judge: OptionsJudge, bars: Bars = Bars.EVERYTHING
) -> Callable[[Node], Iterator[Mistake]]:
    """A part that judges what is said for all paths."""

    def part(node: Node) -> Iterator[Mistake]:
        for where, options in _defaults(node):
            yield from _told(node, where, judge(node, options), bars)

    return part


def _readable(places: tuple[Place, ...]) -> Iterator[Place]:
    return (place for place in places if place is not UNREAD and place.path is not UNREAD)


def _one_kind(_: Node, place: Place) -> Found:
    kinds = place.kinds
    if not kinds:
        yield "", "nothing", f"say what answers it: one of {', '.join(KINDS)}"
    if len(kinds) > 1:
        yield "", " and ".join(kinds), "one thing answers a path: leave one of them"


def _options(_: Node, place: Place) -> Found:
    """Options of another kind, which would do nothing."""
    if len(place.kinds) != 1:
        return
    for name in sorted(place.model_fields_set & ONLY_OF.keys()):
        if place.kind not in ONLY_OF[name]:
            remedy = f"this is for {', '.join(ONLY_OF[name])}, not for {place.kind}: leave it out"
            yield name, getattr(place, name), remedy


def _upstream(node: Node, place: Place) -> Found:
    """Names of upstreams that are not there, or that are spoken to in another way."""
    if not (name := place.upstream):
        return
    known = {upstream.name: upstream for upstream in node.upstreams}
    if name not in known:
        yield place.kind, name, no_upstream(name, known)
    elif place.kind == "fastcgi" and known[name].tls:
        yield place.kind, name, "FastCGI knows no TLS: use another upstream, without `tls`"
    elif place.kind != "proxy" and known[name].websocket:
        yield (
            place.kind,
            name,
            "WebSockets go by `proxy`: use another upstream, without `websocket`",
        )


def _challenges(node: Node) -> Iterator[Mistake]:
    """What nobody would ask a site for over TLS."""
    if not node.tls:
        return
    for where, place in _places(node):
        if where.startswith("sites[") and place.path == CHALLENGES:
            remedy = (
                "authorities ask for this over HTTP, where one server answers for all names: put "
                "it into `paths`, beside `sites`"
            )
            yield Mistake(node.name, where, place.path, remedy)


def _retries(node: Node, place: Place) -> Found:
    """Reasons to ask another server that nginx does not know for this protocol."""
    if place.kind not in NO_GATEWAY_ERRORS:
        return
    for upstream in node.upstreams:
        if upstream.name == place.upstream and (
            unknown := [each for each in upstream.retry_on if each in GATEWAY_ERRORS]
        ):
            remedy = f"over {place.kind} nginx knows no {' and '.join(unknown)} in its `retry_on`"
            yield place.kind, place.upstream, f"{remedy}: use another upstream, or leave them out"


def _path(_: Node, place: Place) -> Found:
    kind = place.kind
    if place.location in OWN_PATHS:
        yield "", place.path, "Tandem answers this path itself; give another"
    elif kind in FILES and not place.location.endswith("/"):
        yield "", place.path, f"a directory answers whatever begins with it: {place.path}/"
    elif kind == "fastcgi" and not place.script and place.path != place.location:
        yield "", place.path, "scripts are found by their paths: leave out the ="
    if place.strip_path and not place.location.endswith("/"):
        yield "strip_path", True, f"what is left begins with a /: let the path be {place.path}/"


def _fastcgi(_: Node, place: Place) -> Found:
    if place.kind == "fastcgi" and not place.root:
        yield "root", "(not set)", "the directory of the scripts on the machines, such as /srv/www"


def _grpc(node: Node, place: Place) -> Found:
    if place.kind != "grpc" or node.release >= HTTP2_DIRECTIVE:
        return
    remedy = "gRPC wants HTTP/2, which this nginx speaks over TLS only"
    newer = "nginx_version to 1.25.1 or newer"
    if not node.tls:
        yield "grpc", place.grpc, f"{remedy}: set tls_certificate, or {newer}"
    elif node.trusted_proxies:
        front = "and proxies in front (trusted_proxies) may take TLS off"
        yield "grpc", place.grpc, f"{remedy}, {front}: set {newer}"


def _send_headers(_: Node, place: PathOptions) -> Found:
    """Names for what is told already under another one."""
    for name, value, remedy in called_the_same(place.send_headers, {}):
        yield f"send_headers.{name}", value, remedy


def _content(_: Node, place: Place) -> Found:
    if place.content:
        for remedy in in_directory(local_path(place.content)):
            yield "content", place.content, remedy


def _walls(node: Node, place: Place) -> Found:
    """Directories that nginx's unit does not let it see."""
    for name in ("directory", "root"):
        if path := getattr(place, name):
            named = nginx_paths.NamedPath(name, path, nginx_paths.READ, 0)
            if remedy := nginx_paths.forbidden(named, node.walls):
                yield name, path, remedy
            elif any(
                nginx_paths.is_below(*each)
                for one in NOBODYS
                for each in ((path, one), (one, path))
            ):
                yield name, path, "this is the system's, and nobody's to read: give another"


def _webdav(node: Node, place: Place) -> Found:
    """Directories that others write. Who may is said of each: what holds for all paths is for those
    who read."""
    if not place.webdav or place.kind not in ONLY_OF["webdav"]:
        return
    everybody = not place.allow or any(ip_network(each).prefixlen == 0 for each in place.allow)
    if everybody and not place.basic_auth:
        remedy = "anybody could write here, or whoever may read all paths (path_defaults)"
        yield "webdav", True, f"{remedy}: set allow, or basic_auth, or both, for this path"
    if place.fallback:
        remedy = "what is put, or deleted, and not there, would be done to this one: leave it out"
        yield "fallback", place.fallback, remedy
    directory = place.directory
    if not any(nginx_paths.is_below(directory, each) for each in node.nginx_writable_paths):
        remedy = "add it to nginx_writable_paths, and let it be the user nginx's"
        yield "directory", directory, remedy
    for other in node.every_place:
        if other.fastcgi and any(
            nginx_paths.is_below(*each)
            for each in ((directory, other.root), (other.root, directory))
        ):
            remedy = f"scripts are run from {other.root}: who puts one there could run it"
            yield "directory", directory, f"{remedy}; give another"
            return


def _passwords(_: Node, place: PathOptions) -> Found:
    unused = isinstance(place, Place) and place.kind not in ONLY_OF["basic_auth"]
    if not place.basic_auth or unused:
        return
    path = place.basic_auth.file
    if why := unreadable(path):
        yield "basic_auth.file", path, f"give a file that can be read ({why})"
        return
    text = local_path(path).read_text(errors="replace")
    if not any(line.strip() and not line.startswith("#") for line in text.splitlines()):
        yield "basic_auth.file", path, "nobody is in it: `htpasswd -B FILE NAME` adds somebody"
    for number, remedy in password_mistakes.faults(text):
        yield "basic_auth.file", f"{path}:{number}", remedy


def _twice(node: Node) -> Iterator[Mistake]:
    """Two answers for one path of one server."""
    yield from judged(_twice_in(node, "paths", node))
    for index, site in enumerate(node.sites):
        if site is not UNREAD:
            yield from judged(_twice_in(node, f"sites[{index}].paths", site))


def _twice_in(node: Node, where: str, server: Node | Site) -> Iterator[Mistake]:
    counts = Counter(_answered(place) for place in server.places)
    for path in sorted(path for path, count in counts.items() if count > 1):
        remedy = "this path has two answers (`proxy`, `content` and `page` count, too): leave one"
        yield Mistake(node.name, f"{where}[{path}]", path, remedy)


def _answered(place: Place) -> str:
    """The path as nginx keeps it: two of them with one answer would be refused."""
    return f"= {place.location}" if place.is_exact else place.path


PARTS = (
    *map(_each, (_one_kind, _options, _upstream, _retries, _path, _fastcgi, _grpc, _walls)),
    *map(_each, (_webdav, _send_headers, limits, dropped, kept, long_names)),
    *(_each(judge, Bars.DEPLOY) for judge in (_content, _passwords)),
    *map(_of_all, (limits, _send_headers, long_names)),
    _of_all(_passwords, Bars.DEPLOY),
    *(_twice, _challenges),
)
