"""Whether nginx's workers can use the paths of its configuration: its own test never looks."""

import grp
import os
import pwd
import re
import sys

from apply_nginx import nginx_paths, walls
from apply_nginx.serving.service_manager import Failed

_FILE = re.compile(r"^# configuration file (.+):\n", re.MULTILINE)
_PROBE_TIMEOUT_S = 20.0
# So many files of a directory that is served are looked at, whether they are links to homes.
_LOOKED_AT = 2000
_VERBS = {nginx_paths.READ: "read", nginx_paths.WRITE: "write", nginx_paths.CONNECT: "connect to"}


def parse_dump(text):
    """What `nginx -T` prints, as [(file, its text)]."""
    parts = _FILE.split(text)[1:]
    return list(zip(parts[::2], parts[1::2]))


def named_in(files):
    """Every path that the files name, as (file, NamedPath)."""
    return [(file, named) for file, text in files for named in nginx_paths.named_paths(text)]


def user_of(files):
    """The user and the group of the workers."""
    for _, text in files[:1]:
        for directive in nginx_paths.directives(text):
            if directive.words[0] == "user":
                return (directive.words[1:] * 2)[:2]
    return "nginx", "nginx"


def faults(wanted, files, program, binds):
    """What nginx's workers could not use, a line each with the remedy.

    program: this one's path; binds: what stands for /etc/nginx.
    """
    named = named_in(files)
    user, group = user_of(files)
    words = [":".join((path.need, path.path)) for _, path in named]
    done = walls.run_inside(
        wanted, [sys.executable, program, "probe", user, group, *words], binds, _PROBE_TIMEOUT_S
    )
    answers = done.output.split("\n")
    if done.code or len(answers) != len(named) + 1:
        raise Failed(f"what its workers can use cannot be told: {done.message}")
    around = walls.of(wanted)
    found = []
    for file, text in files if walls.has_walls(wanted) else ():
        for one in nginx_paths.transparent_binds(nginx_paths.directives(text)):
            words = " ".join(one.words)
            found.append(f"{file}:{one.line}: {words}: {nginx_paths.NO_TRANSPARENT_BIND}")
    for (file, path), answer in zip(named, answers):
        why = nginx_paths.forbidden(path, around) if walls.has_walls(wanted) else ""
        why = why or _explained(wanted, path, answer, user)
        if why:
            where = f"{file}:{path.line}"
            found.append(f"{where}: {path.directive} {path.path}: {why}")
    return found


def _explained(wanted, named, answer, user):
    """What `probe` has found, for a person; "" for what is no fault."""
    said, _, blamed = answer.partition(" ")
    real = os.path.realpath(blamed if said == "link" else named.path)
    verb = _VERBS.get(named.need, "use")
    if said == "ok":
        return ""
    if walls.has_walls(wanted) and nginx_paths.in_home(real):
        around = walls.of(wanted)
        why = nginx_paths.forbidden(named._replace(path=real), around)
        shown = [one for one in around.writable + around.readable_homes if _holds(one, real)]
        if not why and not any(map(os.path.isdir, shown)):
            why = f"there is no {shown[0]}, and nginx sees only homes that are there at its start"
        if why:
            return f"{blamed} leads to {real}: {why}" if said == "link" else why
    if said in ("missing", "link"):
        return ""  # it may come later
    if said == "read-only":
        return f"{blamed} is read-only for nginx; nginx_writable_paths says what is not"
    if blamed == named.path:
        return f"nginx's workers, user {user}, may not {verb} it: give {user} the right"
    return f"nginx's workers, user {user}, may not enter {blamed}: `chmod o+x {blamed}` lets them"


def _holds(directory, path):
    return nginx_paths.is_below(path, directory) or nginx_paths.is_below(directory, path)


def probe(user, group, *words):
    """Print, for each NEED:PATH of `words`, what the user finds: ok, missing, or what it may not
    (denied, read-only) and where, or in it a link to what it does not find; then a line "end"."""
    if os.geteuid() == 0:
        os.initgroups(user, grp.getgrnam(group).gr_gid)
        os.setgid(grp.getgrnam(group).gr_gid)
        os.setuid(pwd.getpwnam(user).pw_uid)
    for word in words:
        need, _, path = word.partition(":")
        print(_found(need, path))
    print("end")


def _found(need, path):
    if need not in _VERBS:  # the master's own affair, which nginx's test has settled
        return "ok"
    steps = path.strip("/").split("/")
    for length in range(len(steps)):
        directory = "/" + "/".join(steps[:length])
        if not os.access(directory, os.X_OK) and os.path.isdir(directory):
            return "denied " + directory
    try:
        os.stat(path)
    except NotADirectoryError:
        return "missing"
    except FileNotFoundError:
        if need != nginx_paths.WRITE:
            return "missing"
        while not os.path.isdir(path):  # it will be made
            path = os.path.dirname(path)
    except OSError:
        return "denied " + path
    wanted = os.W_OK if need in (nginx_paths.WRITE, nginx_paths.CONNECT) else os.R_OK
    if os.path.isdir(path):
        # Files in a directory that cannot be listed can be served all the same.
        wanted = os.X_OK | (os.W_OK if need == nginx_paths.WRITE else 0)
    if os.access(path, wanted):
        lost = need == nginx_paths.READ and os.path.isdir(path) and _lost_link(path)
        return f"link {lost}" if lost else "ok"
    read_only = need == nginx_paths.WRITE and os.statvfs(path).f_flag & os.ST_RDONLY
    return ("read-only " if read_only else "denied ") + path


def _lost_link(directory):
    """A link below the directory to a home that cannot be seen here; "" for none.

    Of a large tree only what is at the top is looked at."""
    left = _LOOKED_AT
    for place, directories, names in os.walk(directory):
        for name in directories + names:
            path = os.path.join(place, name)
            left -= 1
            if left < 0:
                return ""
            to_home = os.path.islink(path) and nginx_paths.in_home(os.path.realpath(path))
            if to_home and not os.path.exists(path):
                return path
    return ""
