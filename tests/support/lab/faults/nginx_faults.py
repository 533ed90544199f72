"""What may be wrong with nginx on a machine."""

from __future__ import annotations

from tests.support.lab.faults.verifier_faults import (
    NGINX_CONF,
    STANDBY_GONE,
    Fault,
    by_edit,
    by_nginx_conf,
    by_shell,
)

REAL = "$(readlink -f /usr/sbin/nginx)"
WRAPPER = (
    'printf \'#!/bin/sh\\n[ "$1" = -V ] || exec %s "$@"\\n%s -V 2>&1 | '
    f"sed s/--with-http_flv_module// >&2\\n' {REAL} {REAL} >/run/nginx-wrapper; "
    f"chmod 755 /run/nginx-wrapper; readlink /usr/sbin/nginx >/run/real-link; "
    "ln -sfn /run/nginx-wrapper /usr/sbin/nginx"
)
SWAPPED = f"b={REAL}; cp -a $b $b.copy; mv $b $b.old; mv $b.copy $b"
SECOND_MASTER = (
    "sed 's,/var/run/nginx/nginx.pid,/run/second.pid,; s,listen  .*;,listen 8081;,' "
    f"{NGINX_CONF} >/etc/nginx/second.conf; /usr/sbin/nginx -c /etc/nginx/second.conf"
)


NGINX_FAULTS = (
    Fault(
        "nginx stopped",
        "NGX-10",
        by_shell("host2", "systemctl stop nginx", "systemctl start nginx"),
        {"NGX-09", "KA-04", "KA-05", "KA-09"} | STANDBY_GONE,
    ),
    Fault(
        "nginx disabled",
        "NGX-09",
        by_shell("host1", "systemctl disable -q nginx", "systemctl enable -q nginx"),
    ),
    Fault(
        "wrong page",
        "NGX-14",
        by_edit("host1", "/usr/html/index.html", "s/master/other/"),
        {"X-10", "X-11"},
    ),
    Fault(
        "a flag missing in the binary",
        "NGX-02",
        by_shell("host2", WRAPPER, "ln -sfn $(cat /run/real-link) /usr/sbin/nginx"),
        {"NGX-03"},
    ),
    Fault(
        "another version",
        "NGX-01",
        by_shell(
            "host2",
            WRAPPER.replace("s/--with-http_flv_module//", "s,nginx/1,nginx/0,"),
            "ln -sfn $(cat /run/real-link) /usr/sbin/nginx",
        ),
        {"NGX-03", "X-16"},
    ),
    Fault(
        "binary replaced under the running master",
        "NGX-03",
        by_shell("host1", SWAPPED, f"b={REAL}; mv $b.old $b"),
    ),
    Fault(
        "another binary in place, running",
        "NGX-21",
        by_shell(
            "host2",
            f"b={REAL}; cp -a $b /run/nginx.true; cp -a $b $b.other; echo >>$b.other; "
            "mv $b.other $b; systemctl restart nginx",
            f"b={REAL}; cp -a /run/nginx.true $b.true; mv $b.true $b; systemctl restart nginx",
            "grep -qx 0 /run/tandem/failed",  # its trial is over
        ),
    ),
    Fault(
        "an upgrade that stopped half way",
        "NGX-03",
        by_shell("host1", "touch /run/nginx/nginx.pid.oldbin", "rm /run/nginx/nginx.pid.oldbin"),
    ),
    Fault(
        "another nginx in the way",
        "NGX-05",
        by_shell("host1", f"cp {REAL} /usr/local/sbin/nginx", "rm /usr/local/sbin/nginx"),
    ),
    Fault(
        "nginx.conf broken and not loaded",
        "NGX-06",
        by_edit("host1", NGINX_CONF, "$ a nonsense;"),
    ),
    Fault(
        "nginx.conf changed and not loaded",
        "NGX-08",
        by_edit("host1", NGINX_CONF, "$ a # changed"),
    ),
    Fault(
        "a line changed by hand",
        "NGX-07",
        by_nginx_conf("host2", "s/connections  4096/connections  512/"),
        {"X-13"},
    ),
    Fault(
        "a second master",
        "NGX-10",
        by_shell(
            "host2",
            SECOND_MASTER,
            "kill $(cat /run/second.pid); rm /etc/nginx/second.conf",
        ),
        {"NGX-13", "SYS-03"},
    ),
    Fault(
        "another program on a web port",
        "NGX-11",
        by_shell(
            "host1",
            "systemd-run --quiet --unit=other-web python3 -m http.server 443",
            "systemctl stop other-web",
            wait="ss -Hltn | grep -q ':443 '",
        ),
    ),
    Fault(
        "too few workers",
        "NGX-13",
        by_nginx_conf("host2", "s/^worker_processes .*/worker_processes 1;/"),
        {"NGX-07", "X-13"},
    ),
    Fault(
        "workers run as root",
        "NGX-12",
        by_nginx_conf("host2", "s/^user .*/user root;/"),
        {"NGX-07", "X-13"},
    ),
    Fault(
        "version shown",
        "NGX-16",
        by_nginx_conf("host2", "s/server_tokens .*/server_tokens on;/"),
        {"NGX-07", "X-13"},
    ),
    Fault(
        "counters open to the world",
        "NGX-17",
        by_nginx_conf("host1", "s/allow  *127.0.0.1;/allow all;/"),
        {"NGX-07", "X-13"},
    ),
    Fault(
        "nginx.conf readable by everybody",
        "NGX-20",
        by_shell("host1", f"chmod 644 {NGINX_CONF}", f"chmod 640 {NGINX_CONF}"),
    ),
    Fault(
        "page unreadable for workers",
        "NGX-20",
        by_shell("host2", "chmod 600 /usr/html/index.html", "chmod 644 /usr/html/index.html"),
        {"NGX-14", "X-21"},
    ),
)
