"""What a machine is asked about nginx: its files, its binary, its processes."""

from __future__ import annotations

from settings import Node
from verify.observe.probe import ShellProbe, told

# Our nginx, and not that of a container: `test -ef` compares PID namespaces without a process.
# Each as "/proc/PID/", in $its.
_EACH_NGINX = """\
for its in $(grep -lxs nginx /proc/[0-9]*/comm); do
    its=${its%comm}
    [ "${its}ns/pid" -ef /proc/self/ns/pid ] || continue"""
# Lines of /proc/PID/FILE:TEXT.
_NGINX_PROCESSES = f"""\
set --
{_EACH_NGINX}
    set -- "$@" "${{its}}status" "${{its}}limits" "${{its}}stat" "${{its}}cmdline"
done
[ $# -gt 0 ] || {{ echo none; exit; }}
grep -aHsE '^(PPid|Uid|CapEff):|^Max open files|^[0-9]+ .nginx. |^nginx: ' /dev/null "$@" |
    tr '\\0' ' '"""
# Lines of /proc/PID and binary, and one about what a hot upgrade leaves.
_NGINX_BINARIES = f"""\
set --
{_EACH_NGINX}
    set -- "$@" "${{its}}exe"
done
[ $# -eq 0 ] || find "$@" -maxdepth 0 -printf '%h %l\\n' 2>/dev/null # unless it has ended
if [ -e /run/nginx/nginx.pid.oldbin ]; then echo oldbin there; else echo oldbin absent; fi"""
# Each binary that nginx runs from, once: its sum, where it is (or was, if it has been replaced),
# and on the same line the manifest beside it. openssl uses the CPU's own instructions for the sum.
_NGINX_MADE = f"""\
set --
{_EACH_NGINX}
    for seen; do
        [ ! "$seen" -ef "${{its}}exe" ] || continue 2
    done
    set -- "$@" "${{its}}exe"
done
count=0
for exe; do
    path=$(readlink "$exe") || continue # it has ended meanwhile
    sum=$({{ openssl dgst -sha256 -r 2>/dev/null || sha256sum; }} <"$exe") || continue
    path=${{path% (deleted)}}
    echo "${{sum%% *}} $path $(cat "${{path%/*}}/MANIFEST.json" 2>/dev/null | tr -d '\\n')"
    count=$((count + 1))
done
echo "$count binaries\""""
_NGINX_MADE_SHOWN = (
    "exe=/proc/$(cat /run/nginx/nginx.pid)/exe; sha256sum $exe; "
    "cat $(dirname $(readlink $exe))/MANIFEST.json"
)
_NGINX_PLACES = (
    "/usr/local/sbin/nginx /usr/local/bin/nginx /usr/sbin/nginx /usr/bin/nginx "
    "/usr/local/nginx/sbin/nginx /opt/nginx/sbin/nginx"
)
# dpkg says itself that it knows none; rpm says nothing.
_NGINX_PACKAGES = """\
if [ -s /var/lib/dpkg/status ]; then
    dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' 'nginx*'
else
    found=$(rpm -qa --qf 'ii  %{NAME}\\n' 'nginx*') && echo "${found:-none}"
fi"""
_LOG_ROTATION = "/etc/logrotate.d/nginx"


def from_files(node: Node) -> list[ShellProbe]:
    """What files and directories say."""
    return [
        told("nginx_installed", "readlink -e /usr/sbin/nginx || echo none"),
        told(
            "nginx_places",
            f'found=$(readlink -e {_NGINX_PLACES}); echo "${{found:-none}}"',
            f"readlink -e {_NGINX_PLACES}",
        ),
        told(
            "log_rotation_file",
            f"if [ -s {_LOG_ROTATION} ]; then cat {_LOG_ROTATION}; else echo none; exit 1; fi",
            f"cat {_LOG_ROTATION}",
        ),
        told("log_rotation", f"logrotate --debug {_LOG_ROTATION}"),
        told(
            "nginx_files", "find /etc/nginx /usr/html -maxdepth 3 -printf '%m %u:%g %T@ %y %p\\n'"
        ),
        *([told("nginx_cache", f"stat -c '%a %U:%G %F' {node.cache.path}")] if node.cache else []),
    ]


def from_programs() -> list[ShellProbe]:
    """What nginx, its package and its processes say, in an order that is kept."""
    return [
        told("nginx_version", "/usr/sbin/nginx -V"),
        told("nginx_libraries", "ldd /usr/sbin/nginx"),
        told("nginx_packages", _NGINX_PACKAGES, may_hang=True),
        told("nginx_user", "id -u nginx"),
        # Here, and not side by side with what is above and below: each of that is a process called
        # nginx, and a test of the configuration listens for a moment where nobody else does.
        told("listeners", 'found=$(ss -Hltnp) && echo "${found:-none}"', "ss -Hltnp"),
        told("nginx_processes", _NGINX_PROCESSES),
        told("nginx_binaries", _NGINX_BINARIES),
        told("nginx_made", _NGINX_MADE, _NGINX_MADE_SHOWN),
    ]


def tests() -> list[ShellProbe]:
    """What nginx says of the configuration on the disk, and then that, where it accepts it."""
    return [told("nginx_dump", "/usr/sbin/nginx -T", may_hang=True)]
