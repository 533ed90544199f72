"""NGX-19 and SYS-08: known holes of what runs, and secrets that others could read."""

from __future__ import annotations

from collections import Counter

from verify.checks import advisories
from verify.checks.check import Answer, Here, fails, faultless, holds, on_host, warns
from verify.checks.premises import nginx_installed

# So many of the worst are named.
NAMED = 3


@on_host(
    "NGX-19",
    "no known vulnerability in what is compiled in",
    reads=("nginx_version",),
    needs=(nginx_installed,),
    reason="What is published is tried on every server within days. Only modules that are compiled "
    "in count.",
    remedy="Set nginx_version to a release without it and run deploy.py. With strict = True this "
    "fails, where it otherwise warns. verify/checks/advisories.json says where the list is from.",
)
def vulnerabilities(here: Here) -> Answer:
    build = here.machine.nginx_build
    found = advisories.known(build.version, build.arguments)
    as_of = advisories.table().as_of
    if not found:
        return holds(f"none known on {as_of}")
    counts = Counter(item.severity for item in found)
    worst = [item.cve for item in found if item.severity == found[0].severity]
    named = ", ".join(worst[:NAMED]) + (", …" if len(worst) > NAMED else "")
    shown = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    good = advisories.remedy(build.version, found)
    actual = f"{len(found)} are known of nginx {build.version}: {shown} ({named})"
    answer = fails if here.node.strict else warns
    return answer(
        expected=f"none known on {as_of}" + (f", as in {good}" if good else ""), actual=actual
    )


@on_host(
    "SYS-08",
    "no secret can be read by others",
    reads=("secret_files",),
    reason="Keys and shared secrets, also those in earlier and staged configurations, are worth "
    "nothing once somebody who is not root has read them.",
    remedy="chown root:root and chmod 600 the file that is named, and choose another secret: this "
    "one may have been read. deploy.py sets the modes of what it writes.",
)
def secrets(here: Here) -> Answer:
    """A file counts as open when its own mode and those of all directories above let others in."""
    lines = [line.split(" ", 3) for line in here.machine.text("secret_files").splitlines()]
    modes = {path: int(mode, 8) for mode, _, kind, path in lines if kind == "d"}
    faults = []
    count = 0
    for mode, owner, kind, path in lines:
        if kind != "f" or not _is_secret(path):
            continue
        count += 1
        user, _, group = owner.partition(":")
        wanted = 0o077 if group != "root" else 0o007
        closed = any(not modes.get(above, 0o777) & 0o001 for above in _above(path))
        if user != "root" or (int(mode, 8) & wanted and not closed):
            faults.append(f"{path} is {int(mode, 8):04o} {owner}")
    return faultless(faults, expected="root's alone", found=f"{count} files, root's alone")


def _is_secret(path: str) -> bool:
    """keepalived's configurations and what it tells of itself, keys, and whole generations of
    nginx's configuration, which a snippet may have put a secret into."""
    name = path.rpartition("/")[2]
    return name.endswith(
        (".key", "key.pem", "keepalived.conf", "keepalived.json", "before.conf")
    ) or (
        path.startswith("/var/lib/tandem/")
        and name not in ("lock", "unit", "about", "mime.types", "manifest")
    )


def _above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: end + 1]) for end in range(len(parts))]
