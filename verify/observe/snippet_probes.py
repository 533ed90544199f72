"""What a machine is asked about what snippets name: files, and the servers behind nginx."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator

from settings import Node
from settings.own_pieces import LEVELS, SERVER, STREAM
from settings.serving.proxy import Server, Upstream
from verify.observe.bundle import Bundle
from verify.observe.probe import ShellProbe, told

# Long enough for an application that is awake.
ANSWER_TIMEOUT_S = 2
CONNECT_TIMEOUT_S = 0.7
# Of more servers than this only the first ones are asked.
MOST_SERVERS = 100
# Of a larger file the size is compared: it would be read for longer than all else takes.
LARGEST_BYTES = 64 << 20
# The names in a directory are compared where there are fewer.
MOST_LISTED = 5000
# A digest alone would let a short secret be guessed. The same for all machines of a run.
_SALT = secrets.token_hex(16)
_FILES = (
    "root|alias|auth_basic_user_file|auth_jwt_key_file|include|perl_require|xslt_stylesheet"
    "|xml_entities|geoip_(country|city|org)|geoip2|modsecurity_rules_file|ssl_client_certificate"
    "|ssl_dhparam|ssl_session_ticket_key|ssl_stapling_file"
    "|([a-z]+_)?ssl_(certificate|certificate_key|trusted_certificate|crl|password_file)"
)
_SERVERS = "(proxy|grpc|fastcgi|uwsgi|scgi|memcached)_pass|server|upstream"
_LEVELS = (*LEVELS, f"{SERVER}/*")
# `each FILE DIRECTIVE WORD` for each directive of a kind in a person's pieces, and in what those
# include. Only in quotes may a brace or a "#" mean anything else than here; a path with a space is
# left out, and so is a server that is marked as down.
_EACH = """\
words() {{
    sed -E 's/(^|[[:space:]])#.*//' "$1" | tr '\\n\\t;{{}}' '  \\n\\n\\n' |
        sed -nE "/^ *server .* down( .*)?$/d
s/^ *({names}) +(\\"([^\\" ]*)\\"|'([^' ]*)'|([^ \\"']+))( .*)?$/\\1 {word}/p"
}}
set --
! cd /etc/nginx 2>/dev/null || set -- {pieces}
seen=' '
while [ $# -gt 0 ]; do
    file=$1; shift
    case $seen in *" $file "*) continue ;; esac
    seen="$seen$file "
    [ -f "$file" ] || continue
    while read -r directive word; do
        case $word in '' | *\\$* | on | off | data:* | engine:* | store:*) continue ;; esac
        [ "$directive" != include ] || for included in $word; do set -- "$@" "$included"; done
        each "$file" "$directive" "$word"
    done <<WORDS
$(words "$file")
WORDS
done"""


def bundle(node: Node) -> Bundle:
    """Beside all others: a server that does not answer is waited for."""
    return Bundle(_files(node), _servers(node), timeout_s=ANSWER_TIMEOUT_S + 3)


def _files(node: Node) -> ShellProbe:
    """Lines of kind (file, directory, missing), digest, directive, path and who names it."""
    each = _each(_FILES, _LEVELS)
    of_places = "\n".join(f"each {named} all" for named in _named_by(node))
    command = f"""\
count=0 told=' '
# What is in it, by names and sizes, as far as it is no whole archive.
listed() {{
    names=$(find -L "$1" -maxdepth 3 -type f -printf '%P %s\\n' 2>/dev/null | head -n {MOST_LISTED})
    [ "$(printf '%s\\n' "$names" | wc -l)" -lt {MOST_LISTED} ] || {{ echo -; return; }}
    {{ echo {_SALT}; printf '%s\\n' "$names" | LC_ALL=C sort; }} | sha256sum | cut -c 1-32
}}
each() {{
    case $3 in *'*'* | *'?'* | *'['*) return ;; esac
    path=$3
    case $2:$path in
        *:/*) ;;
        root:* | alias:*) path=/usr/$path ;;
        # nginx looks for it among perl's own as well, and does not start without it.
        perl_require:*) path=/etc/nginx/conf.d/$path; [ -e "$path" ] || return 0 ;;
        *) path=/etc/nginx/$path ;;
    esac
    case $told in *" $path "*) return ;; esac
    told="$told$path " kind=missing sum=-
    if [ -d "$path" ]; then
        kind=directory
        [ -z "${{4-}}" ] || sum=$(listed "$path")
    elif [ -e "$path" ]; then
        kind=file sum=$(stat -Lc %s "$path")
        [ "$sum" -gt {LARGEST_BYTES} ] ||
            sum=$({{ echo {_SALT}; cat "$path"; }} | sha256sum | cut -c 1-32)
    fi
    echo "$kind $sum $2 $path $1"
    count=$((count + 1))
}}
{of_places}
{each}
echo "$count named\""""
    return told(
        "named_files",
        command,
        "grep -rhE '(auth_basic_user_file|ssl_certificate|include|root|alias) ' /etc/nginx/*.d; "
        "sha256sum FILE",
    )


def _named_by(node: Node) -> Iterator[str]:
    """The directories that paths of sites name: whose path, the option, and the directory."""
    servers = [("paths", node.places), *((site.name, site.places) for site in node.sites)]
    for server, places in servers:
        for place in places:
            where = f"{server}{place.location}"
            if place.directory:
                yield f"{where} directory {place.directory}"
            # One script alone may be on another machine, with its application.
            if place.root and (not place.script or node.upstream(place.upstream).is_here):
                yield f"{where} root {place.root}"


def _servers(node: Node) -> ShellProbe:
    """Lines of how it is asked (http, tls, tcp), curl's exit status, when it was connected (s; for
    tls, when that was agreed upon), address, and whose server it is."""
    # What speaks no HTTP, or UDP, gives no answer that could be told from none.
    each = _each(_SERVERS, (level for level in _LEVELS if level != STREAM))
    asked = "\n".join(_asked(node))
    groups = " ".join(upstream.name for upstream in node.upstreams)
    command = f"""\
count=0 told=' ' found=
ask() {{
    how=$1 url=$2 who=$3 address=$4 as= when=time_connect
    shift 4
    # A socket is asked as a worker would: it may be there, and not be nginx's to write to.
    case $address in unix:*) as='runuser -u nginx --' ;; esac
    [ "$how" != tls ] || when=time_appconnect
    case $told in *" $url,$address,$* "*) return ;; esac
    [ $count -lt {MOST_SERVERS} ] || return
    command -v curl >/dev/null || {{ echo curl is not installed; exit 127; }}
    told="$told$url,$address,$* " count=$((count + 1))
    {{
        at=$($as curl -qso /dev/null --noproxy '*' --connect-timeout {CONNECT_TIMEOUT_S} \\
            --max-time {ANSWER_TIMEOUT_S} -w "%{{$when}}" "$@" -I "$url")
        code=$?
        echo "$how $code ${{at:--}} $address $who"
    }} &
}}
groups=' {groups} '
each() {{
    case $2:$3 in
        upstream:*) groups="$groups$3 " ;;
        server:unix:* | *_pass:unix:* | *_pass:*://unix:*) ;;
        *) found="$found$2 $3 $1
" ;;
    esac
}}
{asked}
{each}
while read -r directive word file; do
    rest=${{word#*://}} scheme=${{word%%://*}}
    address=${{rest%%/*}}
    [ "$scheme" != "$word" ] || scheme=http
    case $groups in *" ${{address%%:*}} "*) continue ;; esac
    case $scheme in grpc) scheme=http ;; grpcs) scheme=https ;; esac
    case $directive:$address in
        *:) continue ;;
        # What it asks of TLS (a name, a client's certificate) is nginx's to give.
        proxy_pass:*) [ "$scheme" = https ] && how=tcp || how=http
            ask "$how" "$scheme://$address/" "$file" "$address" ;;
        # What it speaks is not known here, or is not HTTP.
        *) ask tcp "$scheme://$address/" "$file" "$address" ;;
    esac
done <<FOUND
$found
FOUND
wait
echo "$count servers\""""
    by_hand = "grep -rh _pass /etc/nginx; curl -q --noproxy '*' -I http://SERVER/"
    return told("upstreams", command, by_hand, may_hang=True)


def _each(names: str, levels: Iterable[str]) -> str:
    pieces = " ".join(f"{level}/*.conf" for level in levels)
    return _EACH.format(names=names, word=_word_after(names), pieces=pieces)


def _asked(node: Node) -> Iterator[str]:
    """How those of the settings are asked. (Of UDP nobody can tell whether it is heard.)"""
    for upstream in node.upstreams:
        streams = [each for each in node.streams if each.upstream == upstream.name]
        places = any(place.upstream == upstream.name for place in node.every_place)
        for server in upstream.servers:
            if places or not streams:
                yield _asking(node, upstream, server)
            elif any(each.is_tcp for each in streams):
                yield _connecting(upstream.name, server)
    for stream in node.streams:
        for server in stream.to if stream.is_tcp else ():
            yield _connecting(stream.name, server)


def _connecting(whose: str, server: Server) -> str:
    """How a server is asked of which nobody here knows what it speaks."""
    if server.address.startswith("unix:"):
        socket = server.address.removeprefix("unix:")
        return f"ask tcp http://localhost/ {whose} {server.address} --unix-socket {socket}"
    return f"ask tcp http://{server.address}/ {whose} {server.address}"


def _asking(node: Node, upstream: Upstream, server: Server) -> str:
    """How a server of the settings is asked: as far as curl speaks what nginx does."""
    kinds = {place.kind for place in node.every_place if place.upstream == upstream.name}
    over_http = not kinds or "proxy" in kinds
    tls, words = upstream.tls, []
    socket = server.address.removeprefix("unix:") if server.address.startswith("unix:") else ""
    if socket:
        words += ["--unix-socket", socket]
    if tls:
        name = upstream.tls_name or "localhost"
        url = f"https://{name}/"
        words += [] if socket else ["--connect-to", f"::{server.address}"]
        # Whom nginx believes, and who it says that it is.
        believed = os.path.join("/etc/nginx", upstream.authorities)
        words += ["--cacert", believed] if tls.verify else ["-k"]
        if tls.certificate and not socket:
            own = f"/etc/nginx/tls/upstream-{upstream.name}"
            words += ["--cert", f"{own}.pem", "--key", f"{own}.key"]
    else:
        url = "http://localhost/" if socket else f"http://{server.address}/"
    how = "http" if over_http else "tls" if tls else "tcp"
    return " ".join(("ask", how, url, upstream.name, server.address, *words))


def _word_after(names: str) -> str:
    """What sed puts for the word behind one of `names`: in either quotes, or in none."""
    outer = names.count("(") + 2
    return "".join(rf"\{number}" for number in range(outer + 1, outer + 4))
