"""What of a person's pieces cannot be: names and addresses that are taken, paths behind walls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from settings import Mistake, Node, SettingsError, nginx_paths
from settings.own_pieces import HTTP, MAIN, SNIPPETS, STREAM
from settings.serving.site_names import spelled_out
from tasks.nginx import server_names
from tasks.nginx.own import companions
from tasks.nginx.own.own_files import ETC, OwnFiles, Snippet


def refuse_walled(node: Node, own: OwnFiles) -> None:
    """Raise `SettingsError` with all that nginx's unit does not let it use."""
    if mistakes := list(_walled(node, own.texts)):
        raise SettingsError(mistakes)


def _walled(node: Node, texts: Iterable[Snippet]) -> Iterator[Mistake]:
    """What nginx's unit does not let it use.

    nginx's own test would find the half of them: what its workers use, it never looks at.
    """
    texts = list(texts)
    for one in texts:
        for named in nginx_paths.named_paths(one.text):
            # (Where the pid is, is refused in any case: right_levels.)
            remedy = named.directive != "pid" and nginx_paths.forbidden(named, node.walls)
            if remedy:
                where = f"{node.name}, {one.source}:{named.line}"
                yield Mistake(where, named.directive, named.path, remedy)
    for one in texts:
        for bind in nginx_paths.transparent_binds(nginx_paths.directives(one.text)):
            where, value = f"{node.name}, {one.source}:{bind.line}", " ".join(bind.words[1:])
            yield Mistake(where, bind.words[0], value, nginx_paths.NO_TRANSPARENT_BIND)


def of_all(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """Mistakes of several machines, each once with all that have it: "host1, host2, FILE:LINE"."""
    names: dict[Mistake, list[str]] = {}
    for mistake in mistakes:
        name, _, place = mistake.where.partition(", ")
        names.setdefault(mistake._replace(where=place), []).append(name)
    for mistake, whose in names.items():
        where = ", ".join([*sorted(whose), *filter(None, [mistake.where])])
        yield mistake._replace(where=where)


def taken(node: Node, own: OwnFiles, ours: Mapping[str, str]) -> Iterator[Mistake]:
    """Names that nginx would answer from a piece alone, and what they are names of.

    + ours: the texts whose names they must not take, by the file's place below /etc/nginx.
    """
    sites = {
        each: f"sites[{i}]"
        for i, site in enumerate(node.sites)
        for name in site.server_names
        for each in spelled_out(name)
    }
    texts = [(one.source, one.text) for one in own.texts if one.level not in (MAIN, STREAM)]
    every = (
        (file, one)
        for piece in texts
        for file, text in ours.items()
        for one in server_names.taken(text, [piece])
    )
    for file, one in every:
        setting, value = "server_name", one.name
        if not one.name:
            setting, value = "listen", f"{one.where} default_server"
        if one.name in sites:
            whose, instead = f"{sites[one.name]} in the settings", "another name"
            free = f", or take it out of {sites[one.name]}"
        else:
            whose, instead, free = "the default server", "a name of its own", ""
        yield Mistake(
            f"{node.name}, {one.source}:{one.line}",
            setting,
            value,
            f"on {one.where} this is {whose}, which Tandem writes into {ETC}{file}: nginx "
            f"would serve one of them alone. Give the snippet {instead} or another port{free}",
        )
    yield from _ports_of_both(node, own)


def _ports_of_both(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """Ports that a stream takes from what nginx itself serves."""
    ports = {node.http_port, node.served_port}
    of_quic = {node.https_port} if node.speaks_http3 else set()
    for one in own.of_levels(STREAM):
        for server in server_names.servers(one.text):
            for listen in server.listens:
                if listen.port in (of_quic if server.is_udp else ports):
                    yield Mistake(
                        f"{node.name}, {one.source}:{server.line}",
                        "listen",
                        str(listen),
                        "this port is the default server's and the sites' (http_port, https_port): "
                        "give the stream another one",
                    )


def names_of_files(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """Includes of nginx's fastcgi.conf, where Tandem's file of this name, without a script, is."""
    for one in own.texts:
        for named in nginx_paths.named_paths(one.text):
            name = named.path.removeprefix(ETC)
            if named.directive == "include" and name in companions.parameters(node):
                yield Mistake(
                    f"{node.name}, {one.source}:{named.line}",
                    "include",
                    name,
                    "this is Tandem's own here, for what the settings pass on, and names no "
                    "script: `include fastcgi_params; fastcgi_param SCRIPT_FILENAME "
                    "$document_root$fastcgi_script_name;` says the same as nginx's file",
                )


def both_families(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """IPv6 sockets that would take IPv4 as well, on ports where Tandem's own listen."""
    ports = {node.http_port, node.served_port}
    for one in own.of_levels(HTTP, SNIPPETS):
        for server in nginx_paths.directives(one.text):
            for listen in server.block if server.words == ("server",) else ():
                if listen.words[0] != "listen" or "ipv6only=off" not in listen.words:
                    continue
                if any(listen.words[1].endswith(f"]:{port}") for port in ports):
                    yield Mistake(
                        f"{node.name}, {one.source}:{listen.line}",
                        "listen",
                        " ".join(listen.words[1:]),
                        "it takes IPv4's port as well, on which Tandem's servers listen, and nginx "
                        "would not start: leave out ipv6only=off, and add `listen "
                        f"{listen.words[1].rpartition(':')[2]};`",
                    )


def upstreams_of_both(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """Upstreams that the settings have as well: nginx takes no name twice."""
    names = {upstream.name for upstream in node.upstreams}
    for one in own.texts:
        for upstream in nginx_paths.directives(one.text) if one.level not in (MAIN, STREAM) else ():
            if upstream.words[0] == "upstream" and upstream.words[-1] in names:
                yield Mistake(
                    f"{node.name}, {one.source}:{upstream.line}",
                    "upstream",
                    upstream.words[-1],
                    f"upstreams[{upstream.words[-1]}] in the settings has this name: give one of "
                    "them another, or take the block out and use that of the settings",
                )
