"""What a machine is asked about what snippets name: files, and the servers behind nginx."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from settings import Node
from verify.observe.bundle import Bundle
from verify.observe.probe import ShellProbe, told

# Long enough for an application that is awake.
ANSWER_TIMEOUT_S = 2
CONNECT_TIMEOUT_S = 0.7
# Of more servers than this only the first ones are asked.
MOST_SERVERS = 100
# Of a larger file the size is compared: it would be read for longer than all else takes.
LARGEST_BYTES = 64 << 20
# A digest alone would let a short secret be guessed. The same for all machines of a run.
_SALT = secrets.token_hex(16)
_FILES = (
    "root|alias|auth_basic_user_file|auth_jwt_key_file|include|perl_require|xslt_stylesheet"
    "|xml_entities|geoip_(country|city|org)|geoip2|modsecurity_rules_file|ssl_client_certificate"
    "|ssl_dhparam|ssl_session_ticket_key|ssl_stapling_file"
    "|([a-z]+_)?ssl_(certificate|certificate_key|trusted_certificate|crl|password_file)"
)
_SERVERS = "(proxy|grpc|fastcgi|uwsgi|scgi|memcached)_pass|server|upstream"
# `each FILE DIRECTIVE WORD` for each directive of a kind in what lies in conf.d, and in what that
# includes. Only in quotes may a brace or a "#" mean anything else than here; a path with a space is
# left out, and so is a server that is marked as down.
_EACH = """\
words() {{
    sed -E 's/(^|[[:space:]])#.*//' "$1" | tr '\\n\\t;{{}}' '  \\n\\n\\n' |
        sed -nE "/^ *server .* down( .*)?$/d
s/^ *({names}) +(\\"([^\\" ]*)\\"|'([^' ]*)'|([^ \\"']+))( .*)?$/\\1 {word}/p"
}}
set --
! cd /etc/nginx 2>/dev/null || set -- conf.d/*.conf
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
    return Bundle(_files(), _servers(node), timeout_s=ANSWER_TIMEOUT_S + 3)


def _files() -> ShellProbe:
    """Lines of kind (file, directory, missing), digest, directive, path and who names it."""
    each = _EACH.format(names=_FILES, word=_word_after(_FILES))
    command = f"""\
count=0 told=' '
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
    if [ -d "$path" ]; then kind=directory
    elif [ -e "$path" ]; then
        kind=file sum=$(stat -Lc %s "$path")
        [ "$sum" -gt {LARGEST_BYTES} ] ||
            sum=$({{ echo {_SALT}; cat "$path"; }} | sha256sum | cut -c 1-32)
    fi
    echo "$kind $sum $2 $path $1"
    count=$((count + 1))
}}
{each}
echo "$count named\""""
    return told(
        "named_files",
        command,
        "grep -rhE '(auth_basic_user_file|ssl_certificate|include|root|alias) ' /etc/nginx/conf.d; "
        "sha256sum FILE",
    )


def _servers(node: Node) -> ShellProbe:
    """Lines of how it is asked (http, tcp), curl's exit status, when it was connected (s), address,
    and whose server it is."""
    each = _EACH.format(names=_SERVERS, word=_word_after(_SERVERS))
    asked = "\n".join(_asked(node))
    groups = " ".join(upstream.name for upstream in node.upstreams)
    command = f"""\
count=0 told=' ' found=
ask() {{
    how=$1 url=$2 who=$3
    case $told in *" $url "*) return ;; esac
    [ $count -lt {MOST_SERVERS} ] || return
    command -v curl >/dev/null || {{ echo curl is not installed; exit 127; }}
    told="$told$url " count=$((count + 1))
    {{
        at=$(curl -qsko /dev/null --noproxy '*' --connect-timeout {CONNECT_TIMEOUT_S} \\
            --max-time {ANSWER_TIMEOUT_S} -w '%{{time_connect}}' -I "$url")
        code=$? address=${{url#*://}}
        echo "$how $code ${{at:--}} ${{address%/}} $who"
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
            ask "$how" "$scheme://$address/" "$file" ;;
        # What it speaks is not known here, or is not HTTP.
        *) ask tcp "$scheme://$address/" "$file" ;;
    esac
done <<FOUND
$found
FOUND
wait
echo "$count servers\""""
    by_hand = "grep -rh _pass /etc/nginx; curl -q --noproxy '*' -I http://SERVER/"
    return told("upstreams", command, by_hand, may_hang=True)


def _asked(node: Node) -> Iterator[str]:
    """How those of the settings are asked. (Of UDP nobody can tell whether it is heard.)"""
    passed_on = {each.upstream: each.protocol for each in node.streams if each.upstream}
    passed_on |= {each.upstream: "tcp" for each in node.streams if each.upstream and each.is_tcp}
    places = {place.upstream for place in node.every_place}
    for upstream in node.upstreams:
        protocol = "http" if upstream.name in places else passed_on.get(upstream.name, "http")
        if protocol != "udp":
            for server in upstream.servers:
                yield f"ask {protocol} http://{server.address}/ {upstream.name}"
    for stream in node.streams:
        for server in stream.to if stream.is_tcp else ():
            if not server.address.startswith("unix:"):
                yield f"ask tcp http://{server.address}/ {stream.name}"


def _word_after(names: str) -> str:
    """What sed puts for the word behind one of `names`: in either quotes, or in none."""
    outer = names.count("(") + 2
    return "".join(rf"\{number}" for number in range(outer + 1, outer + 4))
