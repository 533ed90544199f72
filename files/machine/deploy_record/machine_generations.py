"""Generations of a machine: what one deploy has left, under one name, to be brought back whole.

    /var/lib/tandem/generations/ID.json    an index: nginx's generation, and the digests of each
                                           site and of files such as keepalived.conf
    /var/lib/tandem/generations/files/     those files, by digest (0600: keepalived's password)
    /var/lib/tandem/generations/present    a link to the index of what is in place

What an index names is removed by nobody (apply_nginx/retention.py, tasks/nginx/sites.py). Its
`contents` are flat: "nginx", "site NAME" and "file PATH", each with its name or digest.
"""

import contextlib
import hashlib
import os

from common.commands import run
from common.machine_files import content, left_beside, link, read, write
from deploy_record import json_text

STATE = "/var/lib/tandem"
BUILDS = "/usr/lib/tandem/nginx"
KEPT = 5
# As a deploy notes what a site's version is like (tasks/nginx/sites.py): nobody can set a ctime.
SEEN = """find "$1" -printf '%P %s %C@\\n' | LC_ALL=C sort | sha256sum | cut -c 1-64"""
UNITS = ("/etc/systemd/system/", "/etc/default/", "/etc/sysconfig/")
# Where a file waits for the machine's turn; all others lie in their place at once.
STAGED = {
    "/etc/keepalived/keepalived.conf": STATE + "/keepalived/keepalived.conf",
    "/etc/bird/bird.conf": STATE + "/bird/bird.conf",
}


def in_state(*names):
    return os.path.join(STATE, *names)


def index_path(name):
    return in_state("generations", f"{name}.json")


def blob_path(digest):
    return in_state("generations", "files", digest)


def names():
    """The names of all generations, the oldest first."""
    with contextlib.suppress(OSError):
        found = os.listdir(in_state("generations"))
        return sorted(
            name[: -len(".json")]
            for name in found
            if name.endswith(".json") and not name.startswith(".")
        )
    return []


def load(name):
    """An index; None where there is none that can be read."""
    try:
        index = json_text.loads(read(index_path(name)))
    except ValueError:
        return None
    return index if isinstance(index, dict) and isinstance(index.get("contents"), dict) else None


def present():
    """The name of the generation in place, as the last run has left it; "" for none."""
    with contextlib.suppress(OSError):
        name = os.path.basename(os.readlink(in_state("generations", "present")))
        return name[: -len(".json")]
    return ""


def before_of(name):
    """The generation that was in place before `name`."""
    index = load(name) if present() == name else None
    return index.get("before", "") if index else present()


def set_present(name):
    path, target = in_state("generations", "present"), f"{name}.json"
    if not (os.path.islink(path) and os.readlink(path) == target):
        link(path, target)


def found_now(paths):
    """The contents of this machine as they are, with the files at `paths`."""
    contents = {"nginx": _linked(in_state("nginx", "staged"))}
    for place in _directories(in_state("sites")):
        version = _linked(in_state("sites", place, "current"))
        if version:
            contents["site " + place] = digest_of(version)
    for path in paths:
        data = content(STAGED.get(path, path))
        if data is not None:
            contents["file " + path] = hashlib.sha256(data).hexdigest()
    return contents


def _linked(path):
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(path))
    return ""


def _directories(path):
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name)))
    return []


def unserve_all_but(contents):
    """Serve no site that is not among `contents`; what there is of it stays."""
    for place in _directories(in_state("sites")):
        if "site " + place not in contents:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(in_state("sites", place, "current"))


def paths_of(contents):
    return sorted(key[len("file ") :] for key in contents if key.startswith("file "))


def save(name, about, paths, sites):
    """Write the index of what is in place, and `about` it; what is older than KEPT goes.

    + sites: those that nginx knows. One that it knows no more is removed later, since the removal
      asks what the indexes name.

    Returns its contents."""
    os.makedirs(in_state("generations", "files"), exist_ok=True)
    os.chmod(in_state("generations", "files"), 0o700)
    contents = found_now(paths)
    for site in _directories(in_state("sites")):
        if site not in sites:
            contents.pop("site " + site, None)
    modes = {}
    for path in paths_of(contents):
        place = STAGED.get(path, path)
        modes[path] = os.stat(place).st_mode & 0o777
        write(blob_path(contents["file " + path]), content(place), 0o600)
    index = dict(about, contents=contents, modes=modes, before=before_of(name))
    text = json_text.dumps(index, indent=" ")
    write(index_path(name), f"{text}\n".encode(), 0o600)
    set_present(name)
    prune()
    return contents


def prune():
    """Remove the oldest indexes, and the files that no index names any more.

    What is older is what was in place before, since a name is the time of some controller's clock.
    """
    every = names()
    kept, here = [], present()
    while here in every and here not in kept and len(kept) < KEPT:
        kept.append(here)
        here = (load(here) or {}).get("before", "")
    others = [name for name in every if name not in kept]
    kept += others[len(others) - (KEPT - len(kept)) :] if len(kept) < KEPT else []
    for name in every:
        if name not in kept:
            os.unlink(index_path(name))
    indexes = filter(None, map(load, kept))
    digests = {value for index in indexes for value in index["contents"].values()}
    for digest in os.listdir(in_state("generations", "files")):
        if digest not in digests:
            os.unlink(blob_path(digest))


def remove_left_overs(paths):
    """Remove what a run that was killed has left beside the files at `paths`, and beside what is
    written here; a password may be in it. (What is not an index's blob has gone in `prune`.)"""
    places = [STAGED.get(path, path) for path in paths]
    links = [in_state("sites", site, "current") for site in _directories(in_state("sites"))]
    links += [in_state("generations", "present"), *map(index_path, names())]
    for path in [*left_beside([*places, *links]), *map(trial_path, places)]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def trial_path(path):
    """Where a file is judged before it gets its place."""
    return path + ".trial"


def digest_of(version):
    """The digest in the name of a site's version, DIGEST.TIME."""
    return version.rpartition(".")[0]


def _time(version):
    return version.rpartition(".")[2]


def site_version(site, digest):
    """The newest version of a site with this digest that nobody has changed; "" for none."""
    versions = _directories(in_state("sites", site))
    fitting = sorted(
        (name for name in versions if digest_of(name) == digest and _time(name).isdigit()),
        key=lambda name: int(_time(name)),
    )
    return next((name for name in fitting[::-1] if _is_whole(in_state("sites", site, name))), "")


def _is_whole(version):
    """Whether all of it came, and is as it came: what a deploy has noted of it is still so."""
    noted = read(version + ".whole")
    return bool(noted) and run("sh", "-c", SEEN, "sh", version).output.strip() == noted


def unit_texts(index, paths):
    """What an index has at those of `paths` that define a service, {path: text}: what is in them
    decides whether it has to be restarted. (There are no secrets in them.)"""
    found = {}
    for path in paths:
        if path.startswith(UNITS):
            data = content(blob_path(index["contents"].get("file " + path, "none")))
            found[path] = (data or b"").decode(errors="replace")
    return found


def lacking(index):
    """What an index names and is not there whole, for a person."""
    faults = []
    for key, value in sorted(index["contents"].items()):
        kind, _, name = key.partition(" ")
        if kind == "nginx":
            about = read(in_state("nginx", "generations", value, "about"))
            build = dict(line.partition("=")[::2] for line in about.splitlines()).get("build", "")
            if not (build and os.path.isfile(os.path.join(BUILDS, build, "nginx"))):
                faults.append(f"nginx's generation {value}")
        elif kind == "site":
            if not site_version(name, value):
                faults.append(f"the version {value} of site {name}")
        elif hashlib.sha256(content(blob_path(value)) or b"").hexdigest() != value:
            faults.append(f"a copy of {name}")
    return faults


def differences(before, after):
    """Where two contents differ: {"sites": names, "files": paths, "nginx": build and unit}."""
    found = {"sites": [], "files": [], "nginx": []}
    for key in sorted(set(before) | set(after)):
        if before.get(key) == after.get(key):
            continue
        kind, _, name = key.partition(" ")
        if kind == "nginx":
            _compare_nginx(before.get(key, ""), after.get(key, ""), found)
        else:
            found["sites" if kind == "site" else "files"].append(name)
    return found


def _compare_nginx(before, after, found):
    old, new = _nginx_files(before), _nginx_files(after)
    for name in sorted(set(old) | set(new)):
        if old.get(name) == new.get(name):
            continue
        if name.startswith("etc/"):
            found["files"].append(os.path.join("/etc/nginx", name[len("etc/") :]))
        elif name == "unit":
            found["nginx"].append("nginx's unit")
    builds = [each.rpartition(".")[0] for each in (before, after)]
    if builds[0] != builds[1]:
        found["nginx"].append(f"nginx {builds[1] or 'none'}")


def _nginx_files(name):
    top = in_state("nginx", "generations", name or "none")
    return {
        os.path.relpath(os.path.join(parent, each), top): content(os.path.join(parent, each))
        for parent, _, files in os.walk(top)
        for each in files
    }
