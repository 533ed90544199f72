"""The nginx releases Tandem knows: their checksums, their signers, and those it refuses to build.

A release is trusted because the sha256 below and a signature by one of `SIGNERS` both match,
never because of where its bytes came from. One is an exception: `VOUCHED_BY_DEBIAN`. A release that
is not listed needs the signature alone, once; release_lock.py keeps its sha256 from then on.
"""

from __future__ import annotations

SHA256 = {
    "1.30.6": "3cf46f5ed7504d460125866b7bea99fb357f31d887e2e63b35503310e9b8b6c8",
    "1.26.3": "69ee2b237744036e61d24b836668aad3040dda461fe6f570f1787eab570c75aa",
    "1.22.1": "9ebb333a9e82b952acd3e2b4aeb1d4ff6406f72491bab6cd9fe69f0dea737f31",
}

# Debian carries upstream's tarball of these, unchanged, in a suite's source package; newest first.
IN_DEBIAN = {"1.26.3": "trixie", "1.22.1": "bookworm"}

# Of these neither Debian nor files/nginx/signatures/ has upstream's signature. They are trusted
# with nginx_source = "debian" alone, and because two things match: the sha256 above, and Debian's
# archive signature, which apt checks when it fetches (the archive's key signs InRelease, which
# holds the sum of the list of sources, which holds the sum of the tarball). What lies in the cache
# later has the same sha256, so it is the same bytes. From any other origin they need upstream's
# signature like all others.
VOUCHED_BY_DEBIAN = frozenset({"1.22.1"})

# Primary key fingerprints of the people who sign nginx releases, and where nginx.org keeps a key
# that is not in files/nginx/keys/.
SIGNERS = {
    "D6786CE303D9A9022998DC6CC8464D549AF75C0A": "pluknet.key",
    "43387825DDB1BB97EC36BA5D007C8D7C15D87369": "arut.key",
    "13C82A63B603576156E30A4EA0EA981B66B0D967": "thresh.key",
}

REFUSED = {
    "1.4.1": (
        "1.4.1 cannot be compiled with TLS on a system of today: its SSL module calls functions "
        "that OpenSSL 1.1 and 3 no longer have, and no flag changes that. It also has 26 known "
        "vulnerabilities"
    ),
}

# The flags that the recipe documents, to the letter, in its order.
DOCUMENTED_FLAGS = (
    "--prefix=/usr",
    "--sbin-path=/usr/sbin/nginx",
    "--conf-path=/etc/nginx/nginx.conf",
    "--error-log-path=/var/log/nginx/error.log",
    "--http-log-path=/var/log/nginx/access.log",
    "--pid-path=/var/run/nginx/nginx.pid",
    "--lock-path=/var/lock/nginx.lock",
    "--user=nginx",
    "--group=nginx",
    "--with-http_ssl_module",
    "--with-http_flv_module",
    "--with-http_stub_status_module",
    "--with-http_gzip_static_module",
    "--http-client-body-temp-path=/var/tmp/nginx/client/",
    "--http-proxy-temp-path=/var/tmp/nginx/proxy/",
    "--http-fastcgi-temp-path=/var/tmp/nginx/fcgi/",
    "--http-uwsgi-temp-path=/var/tmp/nginx/uwsgi",
    "--http-scgi-temp-path=/var/tmp/nginx/scgi",
    "--with-pcre",
)
# Added by `perl = True`.
PERL_FLAG = "--with-http_perl_module"
