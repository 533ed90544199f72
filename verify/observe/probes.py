"""What is asked of a machine: named shell commands, bundled so that one round trip runs many."""

from __future__ import annotations

import hashlib
import secrets
import shlex
from pathlib import Path

from settings import Cluster, Node
from verify.observe import tls_probes
from verify.observe.bundle import PROBE_TIMEOUT_S, Bundle, Round
from verify.observe.probe import Get, Probe

# The service that tells keepalived what a node's nginx is worth.
WATCH = "tandem-watch"
# The service that lets connections go on when the address moves.
HANDOVER = "tandem-handover"
KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
# A person's drain, and a deploy's.
DRAINED_BY = "/etc/keepalived/down /run/tandem/drain"
GET_TIMEOUT_S = 1
# A machine on the same network that has not accepted by then does not serve.
CONNECT_TIMEOUT_S = 0.7


def of_vip(probe: str, place: int) -> str:
    """The name of what is asked for each VIP of a cluster; the first one's has none added."""
    return f"{probe}@{place}" if place else probe


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
_UNIT_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,MainPID,NRestarts,Restart,"
    "ConditionResult,Result"
)
_SERVICES = ("nginx", "keepalived", WATCH, HANDOVER)
_SHOW_UNITS = f"systemctl show --no-pager -p {_UNIT_PROPERTIES} " + " ".join(
    f"{service}.service" for service in _SERVICES
)
# The same of init scripts, where PID 1 is not systemd.
_SHOW_SCRIPTS = f"""\
for service in {" ".join(_SERVICES)}; do
    script=/etc/init.d/$service
    if [ -x "$script" ]; then
        printf 'LoadState=loaded\\nFragmentPath=%s\\n' "$script"
    else
        echo LoadState=not-found
    fi
    case $(ls /etc/rc[2-5].d/S??$service /etc/rc.d/rc[2-5].d/S??$service 2>/dev/null) in
    ?*) echo UnitFileState=enabled ;;
    *) echo UnitFileState=disabled ;;
    esac
    case $service in nginx) file=/run/nginx/nginx.pid ;; *) file=/run/$service.pid ;; esac
    pid=$(cat $file 2>/dev/null)
    case "$pid $(readlink "/proc/$pid/exe")" in
    ?*' '*/nginx* | ?*' '*/keepalived* | ?*' '*/python*) active=active ;;
    ' '*) active=inactive pid=0 ;;
    *) active=failed pid=0 ;; # dead, with its pid file
    esac
    kept=$(sed -n "s/^$service [^ ]* .*/always/p" /etc/tandem/services 2>/dev/null)
    pgrep -f '^[^ ]*python3? /usr/lib/tandem/supervise' >/dev/null &&
        grep -qs '/usr/lib/tandem/supervise$' /etc/inittab /etc/init/tandem.conf || kept=no
    printf 'Id=%s.service\\nInit=script\\nConditionResult=yes\\n' "$service"
    echo "ActiveState=$active"
    printf 'MainPID=%s\\nRestart=%s\\n\\n' "$pid" "${{kept:-no}}"
done"""
_NGINX_PLACES = " ".join(
    f"{directory}/nginx"
    for directory in (
        *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"),
        *("/usr/local/nginx/sbin", "/opt/nginx/sbin"),
    )
)
# A script that somebody else may write is not run: the verifier would do it as root.
_RUN_CHECK_SCRIPTS = f"""\
sed -nE 's/^[[:space:]]*script[[:space:]]+"?([^"]*)"?[[:space:]]*$/\\1/p' {KEEPALIVED_CONF} |
while read -r script; do
    program=${{script%% *}}
    if [ -n "$(find -L "$program" -maxdepth 0 -user 0 ! -perm /022)" ]; then
        began=$(date +%s%3N)
        timeout 4 sh -c "$script" </dev/null >/dev/null 2>&1
        echo "$? $(($(date +%s%3N) - began)) $script"
    else
        echo "untrusted 0 $script"
    fi
done"""


# What holds a secret, and the directories that it is in.
_SECRET_FILES = (
    "find /etc/keepalived /run/keepalived /etc/nginx /var/lib/tandem/keepalived "
    "/var/lib/tandem/nginx -printf '%m %u:%g %y %p\\n' 2>/dev/null; true"
)
# A line of its own, after the answer.
_TIMED = "\\n%{time_total}"


def _secret(auth_pass: str) -> Probe:
    """Compares the shared secret without moving it: salted here, hashed there, one word back."""
    salt = secrets.token_hex(8)
    digest = hashlib.sha256(f"{salt}{auth_pass}".encode()).hexdigest()
    command = f"""\
sed -nE 's/^[[:space:]]*auth_pass[[:space:]]+([^[:space:]]*).*/\\1/p' {KEEPALIVED_CONF} |
while read -r secret; do
    case $(printf %s "{salt}$secret" | sha256sum) in
    {digest}*) echo "same ${{#secret}}" ;;
    *) echo "different ${{#secret}}" ;;
    esac
done"""
    return Probe("keepalived_secret", command, f"grep auth_pass {KEEPALIVED_CONF}")


def files(node: Node, cluster: Cluster) -> Bundle:
    """What a machine's files and its kernel hold."""
    return Bundle(
        Probe("system", "hostname; nproc; cat /proc/uptime; date +%s.%N"),
        Probe("nginx_installed", "readlink -e /usr/sbin/nginx"),
        Probe("nginx_places", f"readlink -e {_NGINX_PLACES}; true"),
        Probe("watch_says", "head -n 1 /run/tandem/failed /run/tandem/last-resort"),
        Probe(
            "keepalived_conf",
            f"sed -E 's/(auth_pass[[:space:]]+).*/\\1(secret)/' {KEEPALIVED_CONF}",
        ),
        _secret(node.auth_pass),
        Probe("secret_files", _SECRET_FILES),
        Probe("keepalived_files", f"stat -c '%a %U:%G %n' {KEEPALIVED_CONF}"),
        Probe(
            "keepalived_scripts",
            'sed -nE \'s/^[[:space:]]*(script|notify[a-z_]*)[[:space:]]+"?(\\/[^"[:space:]]+).*'
            f"/\\2/p' {KEEPALIVED_CONF} | sort -u | xargs -r namei -l",
        ),
        Probe("keepalived_down", f"ls -d {DRAINED_BY} 2>/dev/null | grep ."),
        Probe("addresses", "ip -j address show"),
        Probe(
            "handover_sysctls",
            "cd /proc/sys/net/ipv4/conf && "
            f"grep . all/arp_* {node.interface}/arp_ignore {node.interface}/arp_announce",
        ),
        Probe(
            "kernel_limits",
            "cd /proc/sys && grep . net/core/somaxconn net/ipv4/tcp_max_syn_backlog "
            "fs/nr_open fs/file-max",
        ),
        Probe("log_rotation_file", "cat /etc/logrotate.d/nginx"),
        Probe("log_rotation", "logrotate --debug /etc/logrotate.d/nginx"),
        Probe(
            "nginx_files", "find /etc/nginx /usr/html -maxdepth 3 -printf '%m %u:%g %T@ %y %p\\n'"
        ),
        *([Probe("nginx_cache", f"stat -c '%a %U:%G %F' {node.cache.path}")] if node.cache else []),
        *_tables(node, cluster),
        together=True,
    )


def _tables(node: Node, cluster: Cluster) -> list[Probe]:
    """nftables as the kernel has them."""
    return [
        *(
            Probe(of_vip("handover_table", vrrp.place), f"nft list table {handover_table(vrrp)}")
            for vrrp in cluster.vips
        ),
        *([Probe("handover_table6", "nft list table ip6 tandem_handover")] if node.vip6 else []),
        *(
            Probe(of_vip("speakers_table", vrrp.place), f"nft list table {vrrp.family} tandem_vrrp")
            for vrrp in cluster.vips
        ),
        *([Probe("metrics_table", "nft list table inet tandem_metrics")] if node.metrics else []),
    ]


def machine() -> Bundle:
    """What its programs and services tell when they are asked."""
    return Bundle(
        Probe("nginx_version", "/usr/sbin/nginx -V"),
        Probe("nginx_libraries", "ldd /usr/sbin/nginx"),
        Probe(
            "nginx_packages",
            "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' 'nginx*' 2>/dev/null"
            " || rpm -qa 'nginx*' 2>/dev/null; true",
        ),
        Probe("nginx_test", "/usr/sbin/nginx -t"),
        Probe("nginx_dump", "/usr/sbin/nginx -T 2>/dev/null"),
        Probe("nginx_user", "id -u nginx"),
        # Here, and not side by side with those above: each of them is a process called nginx, and
        # a test of the configuration listens for a moment where nobody else does.
        Probe("listeners", "ss -Hltnp"),
        Probe(
            "nginx_processes",
            "grep -aHsE '^(PPid|Uid|CapEff):|^Max open files|^[0-9]+ .nginx. |^nginx: ' /dev/null "
            f"$(echo {_NGINX_PIDS} | tr ' ' '\\n' | "
            "sed 's/comm$/status/;p;s/status$/limits/;p;s/limits$/stat/;p;s/stat$/cmdline/') "
            "| tr '\\0' ' '",
        ),
        Probe(
            "nginx_binaries",
            f'for p in {_NGINX_PIDS}; do p=${{p%/comm}}; echo "$p $(readlink $p/exe)"; done; '
            "ls /run/nginx/",
        ),
        Probe("nginx_made", _NGINX_MADE, _NGINX_MADE_SHOWN),
        Probe(
            "units",
            f"if [ -d /run/systemd/system ]; then {_SHOW_UNITS}; else\n{_SHOW_SCRIPTS}\nfi",
            _SHOW_UNITS,
        ),
        Probe("failed_units", "systemctl list-units --state=failed --plain --no-legend --no-pager"),
        Probe("keepalived_version", "/usr/sbin/keepalived --version"),
        Probe(
            "keepalived_test", f"test -s {KEEPALIVED_CONF} && /usr/sbin/keepalived --config-test"
        ),
        Probe("keepalived_checks", _RUN_CHECK_SCRIPTS, f"grep 'script ' {KEEPALIVED_CONF}"),
    )


def scrape_ports(node: Node) -> dict[str, int]:
    """The exporters' ports, by what their probe is called."""
    return {"metrics_nginx": node.metrics_nginx_port, "metrics_node": node.metrics_port}


def offset(server: str) -> Bundle:
    """How far the machine's clock is from the time server's; changes nothing."""
    quoted = shlex.quote(server)
    return Bundle(
        Probe(
            "offset",
            f"if command -v ntpdate >/dev/null; then ntpdate -q {quoted}; "
            "elif command -v chronyd >/dev/null; then "
            f"chronyd -Q -t 4 'server {server} iburst maxsamples 1'; "
            "else echo neither ntpdate nor chronyd is installed; exit 127; fi",
            f"ntpdate -q {quoted}",
        ),
    )


def handover_table(vrrp: Cluster) -> str:
    """The hand-over's table for a VIP, with its family in front."""
    return f"{vrrp.family} tandem_handover{f'_{vrrp.place + 1}' if vrrp.place else ''}"


def web(node: Node, cluster: Cluster) -> Bundle:
    """The machine itself, the others and the VIP asked over HTTP, then whose MAC has the VIP."""
    return Bundle(
        *_own_answers(node),
        *(get for other in cluster.peers(node) for get in _answers_of(other)),
        *(
            _far(of_vip("page:vip", vrrp.place), f"'{node.url(vrrp.vip.ip)}'", tls=node.tls)
            for vrrp in cluster.vips
        ),
        Probe("neighbours", "ip -j neighbour show"),
    )


def _own_answers(node: Node) -> list[Get]:
    missing = node.url("127.0.0.1", "/tandem-verify-no-such-page")
    status = f"http://127.0.0.1:{node.http_port}/nginx_status"
    return [
        Get("nginx_page", _curl(tls=node.tls), node.url("127.0.0.1")),
        Get("nginx_missing", _curl(tls=node.tls), missing),
        Get("nginx_status", _curl(), status),
        *(Get(name, _curl(), url) for name, url in _scraped(node).items()),
    ]


def _answers_of(other: Node) -> list[Get]:
    status = f"http://{other.address}:{other.http_port}/nginx_status"
    return [
        _far(f"page:{other.name}", other.url(other.address), tls=other.tls),
        _far(f"status:{other.name}", status),
        *(_far(f"{name}:{other.name}", url) for name, url in _scraped(other).items()),
    ]


def _scraped(node: Node) -> dict[str, str]:
    """The exporters' addresses, by what their probe is called."""
    if not node.metrics:
        return {}
    return {
        name: f"http://{node.address}:{port}/metrics" for name, port in scrape_ports(node).items()
    }


def _far(name: str, url: str, *, tls: bool = False) -> Get:
    """Asked of another machine: how long it took is of interest, and it may be gone."""
    return Get(name, f"{_curl(tls=tls)} --connect-timeout {CONNECT_TIMEOUT_S}", url, _TIMED)


def _curl(*, tls: bool = False) -> str:
    """How curl asks. Whose certificate it is, TLS-01 tells."""
    return f"-si --noproxy '*' --max-time {GET_TIMEOUT_S}" + (" -k" if tls else "")


# keepalived writes its state when it is sent a signal: wait until it has, or say that it has not.
# With VRRPv2 the state holds the shared secret.
_DUMP_STATE = """\
pid=$(cat /run/keepalived.pid) && grep -qx keepalived "/proc/$pid/comm" || exit 3
state=$(tr '\\0' '\\n' <"/proc/$pid/environ" | sed -n 's/^TMPDIR=//p')
state=${state:-/tmp}/keepalived.json
before=$(stat -c %.9Y "$state" 2>/dev/null)
kill -s "$json" "$pid" || exit 4
tries=0
while [ $((tries += 1)) -le 50 ]; do
    sleep 0.01
    [ "$(stat -c %.9Y "$state" 2>/dev/null)" != "$before" ] || continue
    case $(tail -c 2 "$state") in
    *[]}]*) exec sed -E 's/("auth_data": *")([^"\\\\]|\\\\.)*"/\\1(secret)"/g' "$state" ;;
    esac
done
exit 5"""
_DUMP_SHOWN = (
    "kill -s $(keepalived --signum=JSON) $(cat /run/keepalived.pid); sleep 0.2; "
    "cat /run/keepalived/keepalived.json"
)
_EARS, _EARS6 = (
    Path(__file__).with_name("vrrp_listener.pl"),
    Path(__file__).with_name("vrrp_listener6.py"),
)
_EARS_PYTHON = Path(__file__).with_name("vrrp_listener.py")
# Red Hat's own tools always have a Python, Debian's always a Perl.
_LISTEN = """\
if command -v perl >/dev/null; then
perl - {arguments} <<'EARS'
{perl}
EARS
else
python=$(command -v python3 || command -v /usr/libexec/platform-python) || exit 127
"$python" - {arguments} <<'EARS'
{python}
EARS
fi"""
# IPv6 is listened to by a Python, which a deploy of such a VIP brings.
_LISTEN6 = """\
python3 - {arguments} <<'EARS'
{python}
EARS"""


def _listening_s(node: Node) -> float:
    """Longer than between two adverts of ours. A stranger's need not be waited for: the table that
    turns it away (SYS-04) remembers it for a minute."""
    return max(node.advert_s + 0.05, 0.35)


def vrrp(node: Node) -> Bundle:
    """keepalived's state twice, so far apart that adverts must have been counted in between."""
    seconds = _listening_s(node)
    return Bundle(
        Probe("vrrp_before", _DUMP_STATE, _DUMP_SHOWN),
        Probe("vrrp", f"sleep {seconds}\n{_DUMP_STATE}", _DUMP_SHOWN),
        timeout_s=seconds + PROBE_TIMEOUT_S,
        together=True,
        first="json=$(keepalived --signum=JSON 2>/dev/null)",
    )


def air(node: Node, vrrp: Cluster) -> Bundle:
    """What can be heard on the network: who advertises, and who says that it has the VIP."""
    seconds = _listening_s(node)
    words = (node.interface, str(vrrp.view_of(node).own), str(vrrp.vip.ip), f"{seconds}")
    arguments = shlex.join(words)
    if vrrp.vip.version == 4:
        listen = _LISTEN.format(
            arguments=arguments, perl=_EARS.read_text(), python=_EARS_PYTHON.read_text()
        )
        shown = f"ssh {node.address} perl - {arguments} <verify/observe/{_EARS.name}"
    else:
        listen = _LISTEN6.format(arguments=arguments, python=_EARS6.read_text())
        shown = f"ssh {node.address} python3 - {arguments} <verify/observe/{_EARS6.name}"
    probe = Probe(of_vip("heard", vrrp.place), listen, shown)
    return Bundle(probe, timeout_s=seconds + PROBE_TIMEOUT_S)


def everything(node: Node, cluster: Cluster) -> Round:
    """All that a machine is asked, what waits on purpose first."""
    served = tls_probes.probes(node)
    return Round(
        *(air(node, view) for view in cluster.vips),
        *(vrrp(node), files(node, cluster), machine(), web(node, cluster)),
        *([Bundle(*served)] if served else ()),
        *([offset(node.ntp_server)] if node.ntp_server else ()),
    )
