"""What is asked of a machine about TLS and sites. No key leaves it, nor anything made of one."""

from __future__ import annotations

import shlex

from settings import Node
from settings.serving import site
from verify.observe.bundle import Bundle
from verify.observe.probe import ShellProbe, told

# Up to here every byte of a site is compared; of a larger one names, sizes and times.
WHOLE_KB = 65536


def bundles(node: Node) -> list[Bundle]:
    """One bundle, or none where a machine has neither TLS nor sites."""
    probes = [*_tls(node), *([_sites(node)] if node.contents else ())]
    return [Bundle(*probes)] if probes else []


def _tls(node: Node) -> list[ShellProbe]:
    shown = node.shown_certificates
    if not shown:
        return []
    names = shlex.join(pair.name for pair in node.certificates)
    # OpenSSL's client offers 1.1 only with these options.
    ancient = "-tls1_1 -cipher DEFAULT:@SECLEVEL=0"
    return [
        *(
            _handshake(f"tls_served:{each.name}", each, "-showcerts -alpn h2,http/1.1")
            for each in shown
        ),
        *([_handshake("tls_1_1", shown[0], ancient)] if node.tls else ()),
        *([_handshake("tls_1_2", shown[0], "-tls1_2")] if node.tls else ()),
        told("tls_files", _FITS.format(names=names)),
        told("tls_chains", _CHAINS.format(names=names)),
    ]


# What only this session has: its keys, and tickets, of which more or fewer arrive in time and whose
# bytes may look like anything.
_OF_THIS_SESSION = (
    "/^Post-Handshake /,$d",
    "/^ *TLS session ticket:/,/^$/d",
    *(f"/^ *{name}: /d" for name in ("Session-ID", "Master-Key", "Resumption PSK")),
)


def _handshake(probe: str, shown: site.ShownCertificate, options: str) -> ShellProbe:
    name = f"-servername {shown.server_name}" if shown.server_name else "-noservername"
    asks = f"openssl s_client -connect 127.0.0.1:{shown.port} {name} {options}"
    left_out = " ".join(f"-e {shlex.quote(one)}" for one in _OF_THIS_SESSION)
    # With openssl's exit status, and not that of sed.
    command = (
        f"{{ code=$({{ {{ {asks}; echo $? >&3; }} | sed {left_out} >&4; }} 3>&1); }} 4>&1; "
        "exit $code"
    )
    return told(probe, command, asks, may_hang=True)


# One line for each key: mode, owner, path, and whether its public half is the certificate's.
_FITS = """\
command -v openssl >/dev/null || {{ echo openssl is not installed; exit 127; }}
for name in {names}; do
    key=/etc/nginx/tls/$name.key
    its=$(openssl pkey -in "$key" -pubout) &&
        [ "$its" = "$(openssl x509 -in "/etc/nginx/tls/$name.pem" -noout -pubkey)" ] &&
        fits=fits || fits=differs
    echo "$(stat -c '%a %U:%G' "$key") $fits $key"
done 2>/dev/null"""


# The certificates of each file, which are public, and nothing else of it.
_CHAINS = """\
for name in {names}; do
    echo "file $name"
    sed -n '/^-----BEGIN CERTIFICATE/,/^-----END CERTIFICATE/p' "/etc/nginx/tls/$name.pem"
done"""


def _sites(node: Node) -> ShellProbe:
    """One line for each site that is there: name, version, a sum over what is served."""
    command = f"""\
cd {site.SITES_ROOT} && for site in *; do
    # By its whole path: after the first one this is somewhere else.
    [ -e "{site.SITES_ROOT}/$site" ] || {{ echo none; break; }}
    cd "{site.SITES_ROOT}/$site/current/" 2>/dev/null || {{ echo "$site - -"; continue; }}
    if [ "$(du -sk . | cut -f 1)" -lt {WHOLE_KB} ]; then
        sum=$(find . -type f -print0 | sort -z | xargs -0r sha256sum | sha256sum)
    else
        sum=$(find . -type f -printf '%p %s %Ts\\n' | sort | sha256sum)
    fi
    version=$(readlink ../current)
    echo "$site ${{version%.*}} ${{sum%% *}}"
done"""
    return told("sites", command, may_hang=True)
