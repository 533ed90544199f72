"""What a machine is asked about nginx: its files, its binary, its processes."""

from __future__ import annotations

from settings import Node
from verify.observe.probe import ShellProbe

_NGINX_PIDS = "$(grep -lxs nginx /proc/[0-9]*/comm)"
# Each binary that nginx runs from, once: its sum, where it is (or was, if it has been replaced),
# and on the same line the manifest beside it.
_NGINX_MADE = f"""\
for process in {_NGINX_PIDS}; do
    exe=${{process%/comm}}/exe
    made=$(stat -Lc %d:%i "$exe") && echo "$made $exe" # unless it has ended meanwhile
done 2>/dev/null | sort -u -k 1,1 | while read -r _ exe; do
    path=$(readlink "$exe") || continue
    path=${{path% (deleted)}}
    manifest=${{path%/*}}/MANIFEST.json
    echo "$(sha256sum <"$exe" | cut -c 1-64) $path $(cat "$manifest" 2>/dev/null | tr -d '\\n')"
done"""
_NGINX_MADE_SHOWN = (
    "exe=/proc/$(cat /run/nginx/nginx.pid)/exe; sha256sum $exe; "
    "cat $(dirname $(readlink $exe))/MANIFEST.json"
)
_NGINX_PLACES = (
    "/usr/local/sbin/nginx /usr/local/bin/nginx /usr/sbin/nginx /usr/bin/nginx "
    "/usr/local/nginx/sbin/nginx /opt/nginx/sbin/nginx"
)


def from_files(node: Node) -> list[ShellProbe]:
    """What files and directories say."""
    return [
        ShellProbe("nginx_installed", "readlink -e /usr/sbin/nginx"),
        ShellProbe("nginx_places", f"readlink -e {_NGINX_PLACES}; true"),
        ShellProbe("log_rotation_file", "cat /etc/logrotate.d/nginx"),
        ShellProbe("log_rotation", "logrotate --debug /etc/logrotate.d/nginx"),
        ShellProbe(
            "nginx_files", "find /etc/nginx /usr/html -maxdepth 3 -printf '%m %u:%g %T@ %y %p\\n'"
        ),
        *(
            [ShellProbe("nginx_cache", f"stat -c '%a %U:%G %F' {node.cache.path}")]
            if node.cache
            else []
        ),
    ]


def from_programs() -> list[ShellProbe]:
    """What nginx, its package and its processes say, in an order that is kept."""
    return [
        ShellProbe("nginx_version", "/usr/sbin/nginx -V"),
        ShellProbe("nginx_libraries", "ldd /usr/sbin/nginx"),
        ShellProbe(
            "nginx_packages",
            "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' 'nginx*' 2>/dev/null"
            " || rpm -qa 'nginx*' 2>/dev/null; true",
        ),
        ShellProbe("nginx_test", "/usr/sbin/nginx -t"),
        ShellProbe("nginx_dump", "/usr/sbin/nginx -T 2>/dev/null"),
        ShellProbe("nginx_user", "id -u nginx"),
        # Here, and not side by side with those above: each of them is a process called nginx, and
        # a test of the configuration listens for a moment where nobody else does.
        ShellProbe("listeners", "ss -Hltnp"),
        ShellProbe(
            "nginx_processes",
            "grep -aHsE '^(PPid|Uid|CapEff):|^Max open files|^[0-9]+ .nginx. |^nginx: ' /dev/null "
            f"$(echo {_NGINX_PIDS} | tr ' ' '\\n' | "
            "sed 's/comm$/status/;p;s/status$/limits/;p;s/limits$/stat/;p;s/stat$/cmdline/') "
            "| tr '\\0' ' '",
        ),
        ShellProbe(
            "nginx_binaries",
            f'for p in {_NGINX_PIDS}; do p=${{p%/comm}}; echo "$p $(readlink $p/exe)"; done; '
            "ls /run/nginx/",
        ),
        ShellProbe("nginx_made", _NGINX_MADE, _NGINX_MADE_SHOWN),
    ]
