"""The playbook of bench/ansible once more, as a pyinfra deploy without anything of Tandem's.

pyinfra's own operations and SSH transport, run with `--chdir` to this directory, so that Tandem's
config.py is not read. GIVEN is the JSON that the playbook is given.
"""

import json
import os
from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import apt, files, server, systemd

given = json.loads(Path(os.environ["GIVEN"]).read_text())
rendered = Path(given["rendered"]) / host.name
build = f"/usr/lib/tandem/nginx/{given['build']}"


def put(path: str, mode: str) -> bool:
    done = files.put(name=path, src=str(rendered / path.lstrip("/")), dest=path, mode=mode)
    return bool(done.will_change)


apt.packages(
    name="Packages",
    packages=given["packages"],
    update=True,
    cache_time=86400,
    no_recommends=True,
)
server.group(name="Group nginx", group="nginx", system=True)
server.user(
    name="User nginx",
    user="nginx",
    group="nginx",
    system=True,
    home="/nonexistent",
    shell="/usr/sbin/nologin",
)
for directory in (
    build,
    "/etc/nginx",
    "/etc/tandem",
    "/etc/systemd/system/keepalived.service.d",
    "/usr/html",
):
    files.directory(name=directory, path=directory, mode="755")
if not host.get_fact(File, path=f"{build}/nginx"):
    files.put(name="The compiled nginx", src=given["artifact"], dest="/run/nginx.tar.gz")
    server.shell(name="Unpack it", commands=[f"tar -xzf /run/nginx.tar.gz -C {build}"])
files.link(name="Its place", path="/usr/sbin/nginx", target=f"{build}/nginx")

for path in ("/etc/nginx/mime.types", "/usr/html/index.html", "/etc/logrotate.d/nginx"):
    put(path, "644")
for path in ("service", "running-state", "reload-nginx", "notify", "failed-unseen"):
    put(f"/usr/lib/tandem/{path}", "755")
text = (rendered / "etc/nginx/nginx.conf.j2").read_text()
nginx_conf = files.template(
    name="nginx.conf",
    src=StringIO(text),
    dest="/etc/nginx/nginx.conf",
    mode="640",
    keepalive_timeout_s=65,
)
tmpfiles = [f"/etc/tmpfiles.d/tandem-{name}.conf" for name in ("nginx", "watch")]
if any([put(path, "644") for path in tmpfiles]):
    server.shell(name="tmpfiles.d", commands=[f"systemd-tmpfiles --create {' '.join(tmpfiles)}"])
units = [f"{name}.service" for name in ("nginx", "tandem-watch", "tandem-handover")]
units.append("keepalived.service.d/tandem.conf")
if any([put(f"/etc/systemd/system/{unit}", "644") for unit in units]):
    systemd.daemon_reload(name="Read the units")
watch = put("/usr/lib/tandem/watch", "755")
handover = put("/usr/lib/tandem/handover", "755") | put("/etc/tandem/handover.nft", "644")
sysctls = "/etc/sysctl.d/61-tandem-handover.conf"
if put(sysctls, "644"):
    server.shell(name="Apply the sysctls", commands=[f"sysctl --quiet --load {sysctls}"])
keepalived = [
    put(f"/etc/keepalived/{path}", mode)
    for path, mode in (("notify.sh", "750"), ("vrrp.nft", "644"), ("keepalived.conf", "640"))
]
for service, changed in (
    ("tandem-handover", handover),
    ("nginx", nginx_conf.will_change),
    ("tandem-watch", watch),
    ("keepalived", any(keepalived)),
):
    systemd.service(
        name=service, service=service, running=True, enabled=True, restarted=bool(changed)
    )
