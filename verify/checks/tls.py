"""TLS: are the certificate, its key and the protocol versions good?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verify.checks.check import Answer, Here, faultless, on_host, warns
from verify.checks.premises import has_certificates, has_tls, nginx_running

SOON = timedelta(days=14)


@on_host(
    "TLS-01",
    "the certificate is valid for two more weeks",
    reads=("tls_served:*", "system"),
    needs=(has_certificates, nginx_running),
    settles=True,
    reason="Browsers refuse a certificate that has expired or is for another name: for clients "
    "the site is down.",
    remedy="Renew it at the source of tls_certificate, then run deploy.py: it reloads and loses "
    "no request (docs/tls.md).",
)
def valid(here: Here) -> Answer:
    from settings import certificates  # with what it needs, only where there is TLS

    now = datetime.fromtimestamp(here.machine.system.now, UTC)
    faults, soon = [], []
    first: datetime | None = None
    for shown in here.node.shown_certificates:
        session = here.machine.tls(shown.name)
        if not session.chain:
            faults.append(f"{shown.name}: no certificate ({session.refusal or 'no answer'})")
            continue
        for remedy in certificates.chain_faults(session.chain, shown.certificate.server_names, now):
            faults.append(f"{shown.name}: {remedy}")
        ends = min(one.not_valid_after_utc for one in session.chain)
        first = min(first or ends, ends)
        if now < ends <= now + SOON:
            soon.append(f"{shown.name}: expires on {ends:%Y-%m-%d %H:%M} UTC")
    expected = f"valid for {SOON.days} days more, for its names, each issuer after what it issued"
    if soon and not faults:
        return warns(expected=expected, actual="; ".join(soon))
    return faultless(faults, expected=expected, found=f"until {first:%Y-%m-%d}" if first else "")


@on_host(
    "TLS-02",
    "the key fits its certificate; only root reads it",
    reads=("tls_files",),
    needs=(has_certificates,),
    reason="With another key nginx does not start again. Whoever reads the key can pose as this "
    "site.",
    remedy="Run deploy.py. If others could read the key, get a certificate for a new one.",
)
def key_fits(here: Here) -> Answer:
    found = here.machine.tls_keys
    faults = [f"{key.path} is not its certificate's" for key in found if not key.fits]
    faults += [
        f"{key.path} is {key.mode:04o} {key.owner}"
        for key in found
        if key.mode & 0o077 or key.owner.partition(":")[0] != "root"
    ]
    if not found:
        faults.append("there is no key")
    return faultless(faults, expected="the certificate's, 0600 root", found=f"{len(found)} keys")


@on_host(
    "TLS-03",
    "TLS 1.2, 1.3 and HTTP/2 (http2) work, 1.1 is refused",
    reads=("tls_served:default", "tls_1_1", "tls_1_2"),
    needs=(has_tls, nginx_running),
    settles=True,
    reason="TLS 1.1 is broken, 1.2 is the newest that older clients have, and HTTP/2 is faster.",
    remedy="Run deploy.py; look for ssl_protocols in files/nginx/conf.d/.",
)
def versions(here: Here) -> Answer:
    newest = here.machine.tls("default")
    older, ancient = (here.machine.session(probe) for probe in ("tls_1_2", "tls_1_1"))
    faults = []
    for session, version in ((newest, "1.3"), (older, "1.2")):
        if session.version != f"TLSv{version}":
            faults.append(f"{version}: {session.version or session.refusal or 'no answer'}")
    if ancient.version:
        faults.append("1.1 is accepted")
    elif "protocol version" not in ancient.refusal:
        faults.append(f"1.1: {ancient.refusal or 'no answer'}, not the alert 'protocol version'")
    chosen = "h2" if here.node.http2 else "http/1.1"
    if newest.protocol != chosen:
        faults.append(f"of h2 and http/1.1 nginx chooses {newest.protocol or 'none'}")
    return faultless(
        faults, expected=f"1.2, 1.3, {chosen}, and 1.1 refused", found=f"1.2, 1.3, {chosen}"
    )


@on_host(
    "TLS-04",
    "nginx serves the certificates that are on the disk",
    reads=("tls_served:*", "tls_chains"),
    needs=(has_certificates, nginx_running),
    settles=True,
    reason="A renewal without a reload shows only when the old certificate has expired.",
    remedy="systemctl reload nginx, if the file is the intended one; otherwise run deploy.py.",
)
def served_as_written(here: Here) -> Answer:
    written = here.machine.tls_chains
    faults = []
    for shown in here.node.shown_certificates:
        served, file = here.machine.tls(shown.name).chain, shown.certificate.name
        if not (right := written.get(file)):
            faults.append(f"there is no certificate in /etc/nginx/tls/{file}.pem")
        elif not served:
            faults.append(f"{shown.name}: none is served")
        elif served != right:
            ends = [f"{chain[0].not_valid_after_utc:%Y-%m-%d}" for chain in (served, right)]
            numbers = [f"{chain[0].serial_number:x}"[:12] for chain in (served, right)]
            faults.append(
                f"{shown.name}: served {numbers[0]} until {ends[0]}, on the disk {numbers[1]} "
                f"until {ends[1]}"
            )
    return faultless(faults, expected="the same chains", found=f"{len(written)} chains")
