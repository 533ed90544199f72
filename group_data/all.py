"""Every setting with its default and its reason. settings/ checks them before a run begins.

Do not change this file for one cluster: a line in inventory.py (for a machine, or for a group) or
in group_data/GROUP.py wins over the one here, and `--data NAME=VALUE` wins over both for one run.
"""

from controller.connection import no_delay_transport

# --- reaching the machines ------------------------------------------------------------------

# The user SSH logs in as. Anyone but root also needs `_sudo = True`.
ssh_user = "root"
# Without this every small command waits 40 ms for Nagle's algorithm.
ssh_paramiko_connect_kwargs = {"transport_factory": no_delay_transport}

# What this machine is in the lab: "bookworm" (Debian 12), "trixie" (13), or "bookworm-sysv" (12
# with SysV's init instead of systemd). Nothing but the lab reads it: your own machines are what
# they are.
lab_base = "bookworm"

# --- nginx ----------------------------------------------------------------------------------

# The release to compile. Its checksum must be known (settings/releases.py lists the known ones).
nginx_version = "1.30.6"
# The sha256 of the release's tarball; only for a release that settings/releases.py does not list.
nginx_sha256 = ""
# Where the controller gets the source: "nginx.org", "debian" (the same tarball out of Debian's
# source package), or the path of a tarball on this machine with its signature (.asc) beside it.
# Wherever it comes from, checksum and signature must both be right (docs/builds.md says more).
nginx_source = "nginx.org"
# Flags of nginx's configure beyond the 19 that the recipe documents. A change compiles anew.
nginx_extra_flags: list[str] = []
# "one": one machine of each platform (distribution, release, architecture) compiles; the controller
# keeps the result (~/.cache/tandem/artifacts) and installs it on the others, which get no compiler.
# "each": every machine compiles for itself, as the recipe has it.
build_on = "one"
# A directory with your own pieces of nginx configuration (*.conf, or *.conf.j2 to be rendered
# first), included inside http { }; see files/nginx/conf.d/README.md.
nginx_snippets = "files/nginx/conf.d"
# For how long an nginx that has to end (a new unit, an old binary) may finish what it serves, such
# as a long download, before it is cut off.
drain_timeout_s = 300
# "cpu": one worker per CPU (TLS, compression). "io": two per CPU (large files, proxying), so that
# one that waits for the disk does not leave its CPU idle.
workload = "cpu"
# Connections one worker may have open, those to upstreams included; idle ones are closed when it
# runs short. The unit's file limit is set to twice as many, and the kernel's limits are raised
# where they are lower (/etc/sysctl.d/62-tandem-nginx.conf).
worker_connections = 4096
# The port that the page is served on.
http_port = 80

# --- reverse proxy, perl, limits (docs/proxy.md has examples) --------------------------------

# Servers behind this one, by a name of your choice: {"app": {"servers": ["10.0.0.11:8080"]}}.
upstreams: dict[str, object] = {}
# Which path goes to which of them: {"/": "app"}. What is not named is served from /usr/html.
proxy: dict[str, object] = {}
# Keep what they answer on the disk: {"size_mb": 1024}, or {} for the defaults. None: no cache.
cache = None
# Embed perl (`perl`, `perl_set`): nginx is compiled anew with its module, and needs libperl.
perl = False
# Connections that wait in the kernel until a worker accepts them; nginx's own number is 511. For
# bursts of thousands of clients: 4096. The kernel's limits follow.
listen_backlog = 511
# A client that keeps its connection may be silent for so long, and may send so many requests on it.
keepalive_timeout_s = 65
keepalive_requests = 1000

# --- time -----------------------------------------------------------------------------------

# Machines whose clocks differ tell contradictory stories in their logs. "" leaves clocks alone.
ntp_server = "172.16.0.1"

# --- the floating address ------------------------------------------------------------------

# The interface that carries the VIP, and the label under which `ip addr` shows it there.
interface = "eth0"
label = "eth0:0"
# An IPv6 address that moves together with the VIP, like "fd61:1::254/64"; each machine then needs
# its own in that network (`address6`), on the same interface. None: there is none. (The VIP itself
# may be an IPv6 address, too: then there is no other, and the machines advertise over IPv6.)
vip6 = None
# Further VIPs, each with the machine that holds it while all are well, so that every machine
# works: {"172.16.12.253/16": "host2"}. When a machine fails, its VIPs go to the others. Each takes
# the next number after virtual_router_id, and the next label (eth0:1, …).
more_vips: dict[str, str] = {}
# The virtual router's number: one per cluster on a network, 1 to 255. Somebody else's VRRP with
# the same number on the same network is silent chaos.
virtual_router_id = 61
# VRRP's version, and with it the profile. 3: adverts to the other nodes by unicast, in fractions
# of a second; nginx's end signalled by its unit, a hang noticed over HTTP. 2: the recipe's own
# values, multicast and whole seconds (see "the classic profile" below).
vrrp_version = 3
# Seconds between two adverts, and how many must be missed until a holder that has fallen silent is
# replaced: together 0.3 s. On busy virtual machines double the interval. Many short ones where VRRP
# itself has three long ones, because a network that loses a third of its packets loses three in a
# row every few seconds, and six in a row hardly ever.
advert_interval_s = 0.05
missed_adverts = 6

# Every node asks its own nginx so often over HTTP, waits so long for the answer, and takes it for
# dead after so many misses in a row: a hang costs at most the sum of an interval and the misses.
health_interval_s = 0.2
health_timeout_s = 0.25
health_misses = 2
# An nginx that has failed must answer for so long before the VIP may come back to it; twice as
# long after each further failure within two minutes, so that a crash loop moves the VIP once.
health_trial_s = 3

# When the VIP moves on purpose, connections that live on the node which had it go on there until
# they end (docs/handover.md). False: they are reset the moment it leaves. (The classic profile has
# neither.)
handover = True
# Connections that have not ended so many seconds after the VIP left are reset.
handover_window_s = 3600

# --- the classic profile (vrrp_version = 2) ------------------------------------------------

# Shared by the nodes, sent in clear, 8 characters at the most: it keeps accidents out, not
# attackers. Choose your own. (VRRPv3 has no authentication.)
auth_pass = "nginxpas"
# What a failed check takes off a node's priority. Each must be more than the difference between
# the highest and the lowest priority, or the address would stay where the check failed.
nginx_weight = -2
maintenance_weight = -2
# How often the checks run, and how often nginx's must fail before it counts.
check_interval_s = 2
check_fall = 2

# --- mail about transitions ----------------------------------------------------------------

# Who is told that a node became master, backup or faulty. [] for nobody.
notification_email = ["root@localhost"]
notification_email_from = "root@localhost"
# The mail server, port 25, no authentication. The recipe mails to the node itself, where nobody
# reads it at night; this is the recipe's one other machine.
smtp_server = "172.16.0.1"

# --- sites and TLS (docs/tls.md) -------------------------------------------------------------

# What is served beside each machine's own page, the same on every machine: sites, each with the
# names it answers to and either `content` (a directory here, relative to this repository or
# absolute; synchronised to every machine and switched at once) or `page` (one line):
#     sites = [
#         {"server_names": ["www.example.org", "example.org"], "content": "sites/example"},
#         {"server_names": ["status.example.org"], "page": "all is well"},
#     ]
# With TLS a site may have its own `tls_certificate` and `tls_key`.
sites: list[dict[str, object]] = []
# The certificate (the server's first, then each issuer in turn) and its key, PEM files here. Set,
# everything is served over TLS, and HTTP redirects there. HTTP/2 needs a module that the recipe's
# flags leave out (--with-http_v2_module), so nginx is compiled anew when TLS is first switched on.
tls_certificate = ""
tls_key = ""
https_port = 443
# For so many seconds browsers that were here once take nothing but TLS from these names (HSTS).
# 0: not said. Begin with 300; 63072000 is two years, and there is no way back before they are over.
hsts_s = 0

# --- metrics --------------------------------------------------------------------------------

# True: every node tells Prometheus how its nginx (Debian's prometheus-nginx-exporter) and its part
# of the cluster (VIP, VRRP, drain, watch) are, on its own address and never on the VIP. What to
# alert on, and a dashboard: docs/metrics.md.
metrics = False
# Who may scrape: addresses and networks, ["10.0.0.5", "10.1.0.0/24"]. Others are turned away.
metrics_allow: list[str] = []
# The ports of nginx's exporter (its usual one) and of Tandem's own.
metrics_nginx_port = 9113
metrics_port = 9114

# --- the verifier ---------------------------------------------------------------------------

# True: a known vulnerability in nginx as it is compiled (NGX-19) makes verify.py fail. False: it
# warns.
strict = False
