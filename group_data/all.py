"""Every setting with its default and its reason. settings/ checks all of them before each run.

Do not change this file for one cluster. A line in inventory.py (for a machine, or for a group) or
in group_data/GROUP.py (group_data/web.py is there) overrides the one here; `--data NAME=VALUE`
overrides both for one run.
"""

# --- reaching the machines ------------------------------------------------------------------

# The user that SSH logs in as. Any user but root also needs `_sudo = True` or `_doas = True`
# (docs/operations.md lists the ways that have been tried).
ssh_user = "root"

# For how many seconds a deploy waits for whoever installs packages, as a machine does at its first
# boot, to upgrade itself; it says for whom. 0: it fails.
package_lock_wait_s = 300

# Which system a machine has in the lab, which alone reads this: "bookworm" (Debian 12), "trixie"
# (13), or "bookworm-sysv" (12 with SysV's init instead of systemd).
lab_base = "bookworm"

# --- nginx ----------------------------------------------------------------------------------

# The release to compile: any that one of nginx's release managers has signed. The checksum of one
# that settings/releases.py does not list is pinned at its first deploy, in releases.lock beside the
# inventory (docs/builds.md). This default is the newest without a known hole (docs/security.md).
nginx_version = "1.30.7"
# The sha256 of the release's tarball, where you know it and want no other from the first deploy on.
nginx_sha256 = ""
# Where the controller gets the source: "nginx.org", "debian" (the same tarball out of Debian's
# source package), or the path of a tarball on this machine with its signature (.asc) beside it.
# Checksum and signature must both be right, whatever the origin (docs/builds.md says more).
nginx_source = "nginx.org"
# Flags for nginx's configure beside the recipe's 19. When they change, nginx is compiled again.
nginx_extra_flags: list[str] = []
# "one": one machine of each platform (distribution, release, architecture) compiles; the controller
# keeps the result (~/.cache/tandem/artifacts) and installs it on the others, which get no compiler.
# "each": every machine compiles for itself, as in the recipe.
build_on = "one"
# A directory with your own pieces of nginx configuration (*.conf, or *.conf.j2 to be rendered
# first), included inside http { }; see files/nginx/conf.d/README.md.
nginx_snippets = "files/nginx/conf.d"
# A directory with more of your own, one for each level: main.d (outside of all blocks), http.d (in
# http { }, as nginx_snippets), server.d (in every server that Tandem writes), stream.d (in
# stream { }), and files: all in it comes to /etc/nginx/files (docs/snippets.md).
nginx_files = "files/nginx"
# nginx writes below /var/log/nginx, /var/tmp/nginx, /run/nginx and its cache, and sees no homes: so
# its unit says, however a snippet may want it. Directories that it may write beside these, and
# directories below /home or /root that it may read: ["/srv/logs"], ["/home/www/site"]. What is to
# be written is made where it is missing. A change restarts nginx (docs/snippets.md).
nginx_writable_paths: list[str] = []
nginx_readable_homes: list[str] = []
# When an nginx has to end (for a new unit or binary), it may first finish the requests that it
# serves, such as a long download, for at most so many seconds.
drain_timeout_s = 300
# "cpu": one worker per CPU (for TLS, compression). "io": two per CPU (for large files, proxying):
# while one waits for the disk, the other can use the CPU.
workload = "cpu"
# Connections that one worker may have open, also to upstreams; it closes idle ones when it has too
# few. The unit's limit of open files is twice that, and lower ones of the kernel's are raised
# (/etc/sysctl.d/62-tandem-nginx.conf).
worker_connections = 4096
# The port that the page is served on.
http_port = 80

# --- reverse proxy, perl, limits (docs/proxy.md has examples) --------------------------------

# Servers that requests are passed to, by a name of your choice:
#     {"app": {"servers": ["10.0.0.11:8080"]}}
upstreams: dict[str, object] = {}
# Which path is passed to which of them: {"/": "app"}. All other paths are served from /usr/html.
proxy: dict[str, object] = {}
# The same and more, in full: what answers which path where a request names no site:
#     {"/api/": {"proxy": "app", "max_body_mb": 64}, "/old/": {"redirect": "https://example.org/"}}
# docs/sites.md has all that a path may have.
paths: dict[str, object] = {}
# What holds for all paths, those of `sites` too, where a path or a site says nothing else:
# {"max_body_mb": 64, "read_timeout_s": 120, "buffering": False} (docs/sites.md).
path_defaults: dict[str, object] | None = None
# The name servers that nginx asks for the servers of upstreams with `"resolve": True`, such as
# ["10.0.0.53"], and for how many seconds an answer counts (0: as the name server says).
resolver: list[str] = []
resolver_valid_s = 0
# TCP and UDP that are passed on as they are, by a name of your choice:
#     {"dns": {"listen": 5353, "protocol": "udp", "to": ["10.0.0.53:53"]}}
# nginx is compiled with its stream module then. docs/streams.md has all that a stream may have.
streams: dict[str, object] = {}
# Keeps their answers on the disk: {"size_mb": 1024}, or {} for the defaults. None: no cache.
cache = None
# True: nginx is compiled with its perl module (`perl`, `perl_set`), and needs libperl.
perl = False
# Connections that may wait in the kernel until a worker accepts them; nginx's default is 511. Set
# 4096 for bursts of thousands of clients. The kernel's limits are raised with it.
listen_backlog = 511
# How long a client may keep a connection open without a request, and how many requests it may send
# on one connection.
keepalive_timeout_s = 65
keepalive_requests = 1000
# A client that is silent for so many seconds gives its connection back: in the head of a request,
# which has to be complete by then; between two parts of what it sends; between two that it takes of
# an answer. The last two limit no long upload or download. The kernel holds megabytes for a slow
# client, and tells nginx of room only when a third is gone: 60 s cut downloads at 50 kB/s.
client_header_timeout_s = 10
client_body_timeout_s = 15
send_timeout_s = 300
# What one client's address may have at once: {"connections": 100, "requests_per_s": 50,
# "burst": 200, "new_connections_per_s": 20}, or some of these. What is more is answered with 429;
# new connections wait, before nginx sees them. None: no limit, for behind one address may be a
# company, or a proxy of yours (docs/proxy.md). Each stream has `connections` of its own.
client_limits = None

# --- proxies in front (docs/behind-a-balancer.md) ---------------------------------------------

# Load balancers, CDNs and other proxies that requests come through: their addresses and networks,
# ["10.0.0.5", "fd00:1::/64"]. What they say of a client (X-Forwarded-For, -Proto, -Host, -Port) is
# believed, in the log, in limits, in `allow` and by applications; what anybody else says is not.
# With the first, nginx is compiled again, with its realip module. []: clients come themselves.
trusted_proxies: list[str] = []
# True: they say it in PROXY protocol (1 or 2), with which each of their connections begins, and not
# in headers: what passes TCP on can, too. Who comes to a VIP without it is not answered.
proxy_protocol = False

# --- time -----------------------------------------------------------------------------------

# The time server: logs of machines whose clocks differ cannot be compared. "" leaves clocks alone.
# None: the first address of the VIP's network, usually its router, and in the recipe the time
# server, 172.16.0.1. (Where the VIP is IPv6 or alone, or a machine has that address: as "".)
ntp_server = None

# --- the floating address ------------------------------------------------------------------

# The VIP has the prefix of the machines' network. One that is in none of their networks, and that a
# router sends to this wire, is a single address: "203.0.113.7/32" (docs/operations.md).

# The interface that carries the VIP, and the VIP's label in the output of `ip addr`. None: the
# interface's name with ":0", or no label where the name is too long for that (a label has 15
# characters at the most). "": none.
interface = "eth0"
label = None
# Further interfaces, each with the machine's own address there, set for each machine in the
# inventory: {"eth1": "10.20.0.61"}, or one IPv4 and one IPv6 address, {"eth1": ["10.20.0.61",
# "fd62:1::61"]}. A VIP of more_vips is on the one that has an address in its network.
more_interfaces: dict[str, str | list[str]] = {}
# The interface that adverts go through: `interface`, or one of more_interfaces, for all VIPs, where
# the machines have a network of their own for that. None: each VIP's own.
vrrp_interface = None
# An IPv6 address that moves together with the VIP, like "fd61:1::254/64". Each machine then needs
# an address of its own in that network (`address6`), on the same interface. None: there is no such
# address. (The VIP itself may be IPv6. Then leave this None; the machines advertise over IPv6.)
vip6 = None
# Further VIPs, each with the machine that holds it while all are well, so that every machine
# serves: {"172.16.12.253/16": "host2"}. When a machine fails, its VIPs move to the others. Each VIP
# uses the next number after virtual_router_id, and the next label (eth0:1, …).
more_vips: dict[str, str] = {}
# The virtual router's number, 1 to 255: each cluster on a network needs its own. If other VRRP
# routers on the network use the same one, both disturb each other and nothing reports it.
virtual_router_id = 61
# The version of VRRP, which also selects the profile. 3: adverts go to the other nodes by unicast,
# several a second; nginx's unit reports that nginx has ended, a check over HTTP that it hangs. 2:
# the recipe's own values, multicast and whole seconds (see "the classic profile" below).
vrrp_version = 3
# Seconds between two adverts, and how many in a row must be missed before a silent holder is
# replaced: after 0.3 s by default. On busy virtual machines double the interval. VRRP's own number
# is three; six shorter ones are safer, because a network that loses a third of its packets loses
# three in a row every few seconds, and six in a row hardly ever.
advert_interval_s = 0.05
missed_adverts = 6

# Every node checks its own nginx over HTTP: the seconds between two requests, those it waits for an
# answer, and how many in a row must be missing before nginx counts as dead. A hang is noticed after
# one interval and the misses at the latest.
health_interval_s = 0.2
health_timeout_s = 0.25
health_misses = 2
# For how many seconds an nginx that has failed must answer before the VIP may come back to it.
# Each further failure within two minutes doubles this, so that a crash loop moves the VIP once.
health_trial_s = 3

# True: the machine that is first in the order of priorities (or that more_vips names) takes its VIP
# whenever it is well. False: the VIP stays where it is until that machine fails or is drained.
# (docs/failover.md. The classic profile has True alone.)
preempt = True
# True: when the VIP is moved on purpose, its open connections stay on the node that had it, until
# they end (docs/handover.md). False: they are reset when the VIP leaves. (The classic profile has
# neither.)
handover = True
# Connections that are still open so many seconds after the VIP has left are reset.
handover_window_s = 3600

# --- the routed profile (docs/routed.md) ----------------------------------------------------

# "vrrp": one machine holds the VIP. "bgp": every machine announces it to routers, and these spread
# the connections over all that serve. The VIP is then one address, "192.0.2.80/32", in no network
# of the machines', and what is about VRRP, keepalived's checks and mails is refused.
spread = "vrrp"
# The autonomous system of a machine, or of all of them, and another one than the routers'. One of
# 64512 to 65534 is free for everybody. None: only with "vrrp".
asn = None
# The routers of a machine, or of all of them, [{"address": "10.1.0.1", "asn": 64512}]; also "hops"
# (default 1: the router is in the machine's own network; 2 or more: it is further away), "bfd"
# (True), "view_command", and one of password_file, password_env, password_command.
routers: list[dict[str, object]] = []
# Milliseconds between two of BFD's packets, and how many in a row must be missing before the router
# passes over a machine that said no good-bye: after 0.15 s. Routers that cannot do that take longer
# intervals: the slower side's counts.
bfd_interval_ms = 50
bfd_misses = 3

# --- the classic profile (vrrp_version = 2) ------------------------------------------------

# The nodes' common password, at most 8 characters, sent in clear: it protects against accidents,
# not against attackers. Choose your own. (VRRPv3 has no authentication.) Without any of
# ! # " $ \ { }, which keepalived reads as something else.
auth_pass = "nginxpas"
# Instead of the line above, one of these says where the password is had from on this machine: a
# file, a variable of the environment, or a command that prints it (docs/secrets.md):
#     auth_pass_command = ["sops", "--decrypt", "--extract", '["auth_pass"]', "secrets.yaml"]
auth_pass_file = ""
auth_pass_env = ""
auth_pass_command: list[str] = []
# How much a failed check changes a node's priority. Without its sign, each must be greater than the
# highest priority is above the lowest, or the VIP would stay on the node whose check failed.
nginx_weight = -2
maintenance_weight = -2
# Seconds between two checks, and how many of nginx's in a row must fail before it counts as dead.
check_interval_s = 2
check_fall = 2

# --- mail about transitions ----------------------------------------------------------------

# Addresses that get a mail when a node becomes master, backup or faulty. []: nobody does.
notification_email = ["root@localhost"]
notification_email_from = "root@localhost"
# The mail server; port 25, no authentication. The recipe has the node itself, where nobody reads
# mail. None: the first address of the VIP's network, in the recipe the only other machine,
# 172.16.0.1. (Where the VIP is IPv6 or alone, or a machine has that address: the node itself.)
smtp_server = None

# --- hooks and checks of your own (docs/hooks.md) -------------------------------------------

# A directory with your own programs, in master.d, backup.d, fault.d and drain.d: they are copied to
# the machines, and run there when the machine becomes master, backup or faulty, or is drained.
# (To call a cloud's API that moves a floating address, for example.)
hooks = "files/hooks"
# How long each of them may take; then it is killed, and the next one runs.
hook_timeout_s = 10
# Checks of your own, by name: commands that are on the machines, which keepalived runs as root.
# Exit 0 is good. "weight": the machine where the least fails holds the VIP (a drained one or a dead
# nginx counts for more than all checks together). "leave": True: a machine where it fails never
# holds the VIP, even if it fails on all of them.
#     {"gateway": {"command": "/usr/bin/ping -c 1 -W 1 172.16.0.1", "weight": 1},
#      "app": {"command": ["/usr/local/bin/check-app", "8080"], "interval_s": 5, "timeout_s": 4,
#              "fall": 3, "rise": 2, "leave": True}}
checks: dict[str, object] = {}

# --- sites and TLS (docs/tls.md) -------------------------------------------------------------

# Sites that every machine serves beside its own page. Each has the names it answers to, and what
# answers its paths: `content` (a directory on this machine, relative to this repository or
# absolute; it is copied to every machine and then put into service at once), `page` (one line), or
# `paths`, each with files, a page, a redirect or an application (docs/sites.md):
#     [{"server_names": ["www.example.org", "example.org"], "content": "sites/example"},
#      {"server_names": ["status.example.org"], "page": "all is well"},
#      {"server_names": ["app.example.org"], "paths": {"/": {"proxy": "app"}}}]
# With TLS a site may have its own `tls_certificate`, `tls_key`, `hsts_s`, `client_certificates`.
sites: list[dict[str, object]] = []
# True: all sites are closed for a while, with 503; {"page": …}, and a site's own: docs/sites.md.
maintenance: bool | dict[str, object] = False
# What a request gets that names a host which neither a site nor a snippet has (docs/sites.md):
# "serve" (what the default server has), "close" (nothing: who guesses a name is shown no
# certificate), 421, 404, {"page": "one line", "status": 404}, or {"redirect": "https://HOST/PATH"},
# which $request_uri may end. Who asks by an address, as Tandem does, is always served.
unknown_host: object = "serve"
# What is compressed: "static" (only files that are there compressed, FILE.gz), "text" (all text
# that is not small, as it is sent), or more exactly, {"types": ["text/css"], "min_bytes": 1024,
# "level": 5, "applications": False} (docs/sites.md).
gzip: object = "static"
# The certificate (the server's first, then each issuer in turn) and its key: PEM files on this
# machine. If they are set, everything is served over TLS, and HTTP redirects to it.
tls_certificate = ""
tls_key = ""
# Instead of a file with the key: a variable of the environment with the PEM in it, or a command
# that prints it, ["age", "--decrypt", "--identity", "KEY", "web.key.age"] (docs/secrets.md).
tls_key_env = ""
tls_key_command: list[str] = []
https_port = 443
# False: over TLS browsers speak HTTP/1.1 alone. A site may have its own (from nginx 1.25.1 on).
http2 = True
# True: browsers that were here once come by HTTP/3 (QUIC), on the same port of UDP, which firewalls
# have to let in as well; from nginx 1.25.1 on. A site may have its own. Read docs/tls.md first: of
# QUIC nothing is handed over when the VIP moves, and a reload ends its connections.
http3 = False
# For how many seconds a browser that was here once accepts only TLS from these names (HSTS). 0: no
# such header. Begin with 300. 63072000 is two years; it cannot be undone before they are over.
hsts_s = 0
# The headers that nginx adds to what it answers, in servers of your snippets as well. "app": no
# guessing of types, frames only within the site. "strict": also no scripts, styles or pictures but
# the site's own files, no frames at all, and more (docs/sites.md says what that breaks; try it).
# Or names and values on top of a "profile" ("app" where none is named), "" for none:
# {"X-Frame-Options": "", "X-Robots-Tag": "noindex", "profile": "strict"}. What an application sends
# itself stays, and comes once. A site may have its own `headers`.
headers: str | dict[str, str] = "app"

# --- metrics --------------------------------------------------------------------------------

# True: every node has metrics for Prometheus, of its nginx (Debian's prometheus-nginx-exporter) and
# of its part in the cluster (VIP, VRRP, drain, watch), on its own address and never on the VIP.
# docs/metrics.md has alerts and a dashboard.
metrics = False
# Who may scrape: addresses and networks, ["10.0.0.5", "10.1.0.0/24"]. Others are refused.
metrics_allow: list[str] = []
# The ports of nginx's exporter (9113 is usual) and of Tandem's own.
metrics_nginx_port = 9113
metrics_port = 9114

# --- the verifier ---------------------------------------------------------------------------

# True: verify.py fails if nginx, as it is compiled, has a known vulnerability (NGX-19). False: it
# only warns.
strict = False
