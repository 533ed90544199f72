"""What a new operator has written: three machines, two sites, an application behind them, TLS."""

from __future__ import annotations

from pathlib import Path

HOSTS = ("web1", "web2", "web3")
VIP, VIP6 = "10.20.0.100", "fd20::100"
# The lab's own end of the network; behind nginx an application listens there.
GATEWAY, APPLICATION = "10.20.0.1", 8101
NAMES = ("www.example.org", "status.example.org")

_FILES = {
    "inventory.py": """\
web = (
    [
        (
            "web1",
            {"ssh_hostname": "10.20.0.11", "address6": "fd20::11", "priority": 103, "page": "1"},
        ),
        (
            "web2",
            {"ssh_hostname": "10.20.0.12", "address6": "fd20::12", "priority": 102, "page": "2"},
        ),
        (
            "web3",
            {"ssh_hostname": "10.20.0.13", "address6": "fd20::13", "priority": 101, "page": "3"},
        ),
    ],
    {"vip": "10.20.0.100/24", "vip6": "fd20::100/64"},
)
""",
    "group_data/web.py": """\
ssh_user = "deployer"
_sudo = True
interface = "ens18"
ntp_server = smtp_server = "10.20.0.1"
virtual_router_id = 20
nginx_extra_flags = ["--with-http_v2_module", "--with-cc-opt=-O0"]
nginx_snippets = "mine"
sites = [
    {"server_names": ["www.example.org"], "content": "www"},
    {"server_names": ["status.example.org"], "page": "all is well"},
]
upstreams = {"app": {"servers": ["10.20.0.1:8101"]}}
proxy = {"/api/": "app"}
metrics = True
metrics_allow = ["10.20.0.1"]
""",
    "mine/staff.conf": """\
limit_req_zone $binary_remote_addr zone=each:1m rate=20r/s;
server {
    listen 8080;
    location / { limit_req zone=each burst=5 nodelay; root /usr/html; }
    location /staff/ {
        auth_basic "staff";
        auth_basic_user_file htpasswd;
        alias /usr/html/;
    }
}
""",
    "mine/htpasswd": "anna:{PLAIN}word\n",
    "www/index.html": "first\n",
    "www/css/a.css": "b {}\n",
}


# What the inventory says more, once there is a certificate.
TLS = """\
tls_certificate = ".lab-ca/web.pem"
tls_key = ".lab-ca/web.key"
"""


def write(checkout: Path) -> None:
    """Write the new operator's files into a checkout."""
    for name, text in _FILES.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def edit(checkout: Path, name: str, old: str, new: str) -> None:
    """Replace a text that is there once; "" is the end of the file."""
    path = checkout / name
    text = path.read_text()
    assert not old or text.count(old) == 1, (name, old)
    path.write_text(text.replace(old, new) if old else text + new)
