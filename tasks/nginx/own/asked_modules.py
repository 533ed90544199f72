"""Modules that a person's pieces need, and nginx is not compiled with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from settings import Mistake, Node
from settings.nginx_paths import Directive, directives
from settings.own_pieces import STREAM
from tasks.nginx.own.own_files import OwnFiles
from tasks.nginx.own.right_levels import shown

# nginx's own modules that configure leaves out unless it is asked, by their directives.
_MODULES = {
    "--with-http_realip_module": r"set_real_ip_from|real_ip_header|real_ip_recursive",
    "--with-http_auth_request_module": r"auth_request(_set)?",
    "--with-http_sub_module": r"sub_filter\w*",
    "--with-http_dav_module": r"dav_\w+|create_full_put_path|min_delete_depth",
    "--with-http_gunzip_module": r"gunzip(_buffers)?",
    "--with-http_mp4_module": r"mp4\w*",
    "--with-http_secure_link_module": r"secure_link\w*",
    "--with-http_slice_module": r"slice",
    "--with-http_addition_module": r"add_(before|after)_body|addition_types",
    "--with-http_random_index_module": r"random_index",
    "--with-http_image_filter_module": r"image_filter\w*",
    "--with-http_xslt_module": r"xslt_\w+|xml_entities",
    "--with-http_geoip_module": r"geoip_\w+",
    "--with-http_v2_module": r"http2|http2_\w+",
    "--with-http_v3_module": r"http3|http3_\w+|quic_\w+",
    "--with-threads": r"thread_pool",
    "--with-mail": r"mail",
}
_HTTP2, _HTTP3 = "--with-http_v2_module", "--with-http_v3_module"
_OF_STREAMS = {
    "--with-stream_ssl_module": r"ssl_(?!preread)\w+",
    "--with-stream_ssl_preread_module": r"ssl_preread",
    "--with-stream_realip_module": r"set_real_ip_from",
    "--with-stream_geoip_module": r"geoip_\w+",
}
# Of others, with where their source is.
_OTHERS = {
    "https://github.com/google/ngx_brotli": r"brotli\w*",
    "https://github.com/openresty/headers-more-nginx-module": r"more_(set|clear)_(input_)?headers",
    "https://github.com/openresty/lua-nginx-module": r"lua_\w+|\w+_by_lua(_block|_file)?",
    "https://github.com/leev/ngx_http_geoip2_module": r"geoip2\w*",
    "https://github.com/owasp-modsecurity/ModSecurity-nginx": r"modsecurity\w*",
    "https://www.phusionpassenger.com": r"passenger_\w+",
}


def mistakes(node: Node, own: OwnFiles) -> Iterator[Mistake]:
    """Each directive whose module nginx will not have, with the flag that it takes."""
    every = [(one, directives(one.text)) for one in own.texts if not one.place.endswith(".pm")]
    loads = any(one.words[0] == "load_module" for _, block in every for one in block)
    adds = loads or any(flag.startswith("--add-") for flag in node.flags)
    for text, block in every:
        told: set[str] = set()
        for one in _inside(block):
            flag = _flag(one, of_streams=text.level == STREAM)
            remedy = _remedy(flag, one, node, adds=adds)
            if remedy and flag not in told:
                told.add(flag)
                where = f"{node.name}, {text.source}:{one.line}"
                yield Mistake(where, one.words[0], shown(one), remedy)


def _inside(block: Iterable[Directive]) -> Iterator[Directive]:
    for one in block:
        yield one
        # What stands in these are values.
        if one.words[0] not in ("map", "geo", "types", "split_clients", "charset_map"):
            yield from _inside(one.block)


def _flag(one: Directive, *, of_streams: bool) -> str:
    """The flag, or the address of the source, of the module whose directive this is; "" for one
    that is always there."""
    name = one.words[0]
    if name == "listen":
        if of_streams:
            return "--with-stream_ssl_module" if "ssl" in one.words[2:] else ""
        asked = {"http2": _HTTP2, "quic": _HTTP3}
        return next((flag for word, flag in asked.items() if word in one.words[2:]), "")
    known = {**(_OF_STREAMS if of_streams else _MODULES), **_OTHERS}
    return next((flag for flag, names in known.items() if re.fullmatch(names, name)), "")


def _remedy(flag: str, one: Directive, node: Node, *, adds: bool) -> str:
    if flag == _HTTP2 and one.words[0] == "http2" and not node.http2_directive:
        return (
            f"nginx {node.nginx_version} does not know this directive: `listen 443 ssl http2;` "
            "says it, in each server"
        )
    if not flag or any(given.partition("=")[0] == flag for given in node.flags):
        return ""
    if flag.startswith("http"):
        if adds:
            return ""
        return (
            f"this is of a module that nginx does not bring ({flag}): compile it in with "
            'nginx_extra_flags = ["--add-module=DIRECTORY"], load one from files with `load_module`'
            " in main.d, or take the line out"
        )
    more = [*node.nginx_extra_flags, flag]
    written = ", ".join(f'"{each}"' for each in more)
    return f"nginx is compiled without this module: nginx_extra_flags = [{written}] adds it"
