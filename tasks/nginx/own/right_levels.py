"""Directives at a level where nginx does not take them, or where a setting says the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from settings import Mistake, Node
from settings.nginx_paths import Directive, directives
from settings.own_pieces import HTTP, MAIN, SERVER, SNIPPETS, STREAM
from tasks.nginx.own.own_files import OwnFiles


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Where nginx takes what it does not take everywhere; as nginx.org's documentation has it.
_OF_MAIN = _words(
    "user worker_processes worker_priority worker_cpu_affinity worker_rlimit_nofile "
    "worker_rlimit_core worker_shutdown_timeout env load_module pid lock_file thread_pool pcre_jit "
    "daemon master_process timer_resolution ssl_engine debug_points working_directory events http "
    "stream mail"
)
_OF_EVENTS = _words(
    "worker_connections use multi_accept accept_mutex accept_mutex_delay debug_connection"
)
# Outside of every server, of http's or of stream's.
_OF_BOTH = _words("server upstream map geo split_clients log_format limit_conn_zone")
_OF_HTTP = _words(
    "limit_req_zone proxy_cache_path fastcgi_cache_path uwsgi_cache_path scgi_cache_path "
    "perl_modules perl_require server_names_hash_max_size server_names_hash_bucket_size"
)
_OF_SERVERS = _words("listen server_name location try_files return rewrite set")
_NEVER_OF_STREAMS = _words("location root alias try_files rewrite add_header")

_UNTOUCHED = "take the line out"
# What Tandem says itself, wherever a person says it.
_SAID = {
    "user": "Tandem's workers are user nginx's, whom its unit, logs and checks know: " + _UNTOUCHED,
    "worker_processes": 'workload = "cpu" or "io" in group_data says how many: ' + _UNTOUCHED,
    "worker_connections": "worker_connections = NUMBER in group_data says it: " + _UNTOUCHED,
    "worker_rlimit_nofile": "it follows worker_connections in group_data: " + _UNTOUCHED,
    "events": "Tandem has this block, with worker_connections of group_data: take it out",
    "pid": "nginx's unit looks for it in /run/nginx/nginx.pid: " + _UNTOUCHED,
    "daemon": "nginx's unit starts it as a daemon: " + _UNTOUCHED,
    "master_process": "nginx's unit speaks to its master: " + _UNTOUCHED,
}
_ERROR_LOG = "/var/log/nginx/error.log"


def mistakes(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """All that stands where it cannot, as far as the names of directives tell it."""
    for piece in own.pieces:
        # (What is included may be included in a block.)
        for one in directives(piece.text) if not piece.place.endswith(".pm") else ():
            if remedy := _remedy(one, piece.level, node):
                where = f"{node.name}, {piece.source}:{one.line}"
                yield Mistake(where, one.words[0], shown(one), remedy)


def shown(one: Directive) -> str:
    """What is shown of a directive: no more, since it may have secrets."""
    return one.words[1].partition("=")[0] if len(one.words) > 1 else "{ }"


def _remedy(one: Directive, level: str, node: Node) -> str:
    """What is to be done with a directive; "" where it may be."""
    name, files = one.words[0], node.nginx_files
    in_http = level in (HTTP, SNIPPETS)
    if name in _SAID:
        return _SAID[name]
    if name in _OF_EVENTS:
        return "it belongs into the block `events`, which is Tandem's: " + _UNTOUCHED
    if name == "error_log" and level == MAIN and one.words[1:2] == (_ERROR_LOG,):
        return "Tandem writes this log, from `notice` on: give another file, which is written too"
    if name == "http":
        return f"Tandem has this block: put what is in it into {files}/{HTTP}, without `http {{ }}`"
    if name == "stream":
        return f"put what is in it into {files}/{STREAM}, without `stream {{ }}`"
    if name in _OF_MAIN:
        return "" if level == MAIN else f"nginx takes it outside of all blocks: {files}/{MAIN}"
    if level == STREAM:
        if name in _OF_HTTP | _NEVER_OF_STREAMS:
            return f"it is HTTP's: put it into {files}/{HTTP} or {SERVER}"
        if name in ("listen", "server_name"):
            return "put it into a `server { }`"
    elif name in _OF_BOTH | _OF_HTTP and not in_http:
        return f"nginx takes it inside `http {{ }}` alone: put it into {files}/{HTTP}"
    elif name in ("listen", "server_name") and level == SERVER:
        return (
            "the settings say it (http_port, https_port, sites): what is to have another is a "
            f"`server {{ }}` of your own, in {files}/{HTTP}"
        )
    elif name in _OF_SERVERS and level != SERVER:
        return (
            f"nginx takes it inside a `server {{ }}` alone: put it into one, or into "
            f"{files}/{SERVER}, which is in every server of Tandem's"
        )
    return ""
