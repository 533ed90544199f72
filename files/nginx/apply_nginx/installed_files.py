"""What lies on the disk: nginx's files in /etc/nginx, the link to its binary, and its unit."""

import glob
import grp
import os

from apply_nginx import generations, layout
from apply_nginx.file_transaction import FileTransaction
from apply_nginx.serving.service_manager import SERVICE, must
from common.journal import say
from common.machine_files import content, left_beside, read, write

# Group and others may read nothing of a private key.
_KEY_MODE = 0o600
_DIRECTORY_MODE = 0o750
# Directories that stay when they are empty, until a teardown.
_LASTING = ("conf.d", "sites", "tls", "auth")


def manifest():
    """The names that deploys have put into /etc/nginx. All else there is the user's own."""
    return set(read(layout.in_state("manifest")).split("\n")) - {""}


def _write_manifest(names):
    lines = "".join(f"{name}\n" for name in sorted(names))
    write(layout.in_state("manifest"), lines.encode(), 0o640)


def obsolete(wanted):
    """The names that deploys have put into /etc/nginx and `wanted` does not have any more."""
    names = manifest() - set(wanted.files)
    return sorted(name for name in names if os.path.isfile(layout.in_etc(name)))


def users_files_in_the_way(wanted):
    """Paths of files that are the user's own, where `wanted` has another one."""
    known = manifest() | {"nginx.conf", "mime.types"}
    return sorted(
        layout.in_etc(name)
        for name, data in wanted.files.items()
        if name not in known and content(layout.in_etc(name)) not in (None, data)
    )


def users_snippets(wanted):
    """Paths of configuration that is the user's own, and that nginx reads as well."""
    # Of a directory in which a deploy has nothing, only conf.d is read.
    known = {os.path.dirname(name) for name in wanted.files} | {"conf.d"}
    ours = manifest() | set(wanted.files)
    return sorted(
        path
        for pieces in layout.PIECES
        for path in glob.glob(layout.in_etc(pieces, "*.conf"))
        if os.path.relpath(path, layout.ETC) not in ours
        and os.path.dirname(os.path.relpath(path, layout.ETC)) in known
    )


def mode_of(name):
    """Only root may read a key, only root and its group the configuration."""
    if name.endswith(".key") and not name.startswith("auth/"):
        return _KEY_MODE
    return 0o644 if name == "mime.types" else 0o640


def group_of(name, wanted):
    """The number of the group that has to read it, besides root's; None where there is none."""
    theirs = name in wanted.workers_read or name.startswith(layout.FILES + "/")
    return _workers_group() if theirs and mode_of(name) != _KEY_MODE else None


def _workers_group():
    try:
        return grp.getgrnam(layout.GROUP).gr_gid
    except KeyError:
        return None


def write_all(directory, wanted):
    """Write the files of `wanted` below `directory`: what is included before what includes it."""
    for name in sorted(wanted.files, key=lambda name: name == "nginx.conf"):
        path, group = os.path.join(directory, name), group_of(name, wanted)
        write(path, wanted.files[name], mode_of(name))
        if group is not None:
            os.chown(path, -1, group)
    _close_files(directory, wanted.files)


def _close_files(etc, names):
    """Let nobody but root and workers look into the directories of a person's own files: those
    that one of `names` is in. What else is there is somebody's own, by whatever name."""
    group, directories = _workers_group(), set()
    for name in names:
        directory = os.path.dirname(name)
        while directory and name.startswith(layout.FILES + "/"):
            directories.add(os.path.join(etc, directory))
            directory = os.path.dirname(directory)
    for directory in sorted(directories):
        if group is not None:
            os.chown(directory, -1, group)
        os.chmod(directory, _DIRECTORY_MODE)


def _remove_emptied(names):
    """Remove the directories that no file is in any more, now that those of `names` are gone."""
    for name in names:
        directory = os.path.dirname(name)
        while directory and directory not in _LASTING:
            try:
                os.rmdir(layout.in_etc(directory))
            except OSError:
                break
            directory = os.path.dirname(directory)


def has_files(wanted):
    """Whether what deploys have put into /etc/nginx is what `wanted` has, its keys readable by
    root alone, and by workers what they read."""
    return not obsolete(wanted) and all(
        content(layout.in_etc(name)) == data
        and not _is_exposed_key(name)
        and group_of(name, wanted) in (None, os.stat(layout.in_etc(name)).st_gid)
        for name, data in wanted.files.items()
    )


def _is_exposed_key(name):
    return mode_of(name) == _KEY_MODE and bool(os.stat(layout.in_etc(name)).st_mode & 0o077)


def is_installed(wanted):
    """Whether `wanted` is what lies on the disk: files, link and unit."""
    link_and_unit = linked_build() == wanted.build and content(layout.UNIT) == wanted.unit
    return link_and_unit and has_files(wanted)


def linked_build():
    """The build that the link in /usr/sbin names, "" for none."""
    try:
        return generations.build_of(os.readlink(layout.BINARY))
    except OSError:
        return ""


def install(wanted):
    """Have files, link and unit of `wanted` on the disk. The running nginx is not touched.

    Raises `OSError` or `Failed`, with everything as it was.
    """
    files = FileTransaction()
    # What is included before what includes it.
    for name in sorted(wanted.files, key=lambda name: name == "nginx.conf"):
        path, group = layout.in_etc(name), group_of(name, wanted)
        files.write(path, wanted.files[name], mode_of(name), group)
    gone = obsolete(wanted)
    for name in gone:
        files.remove(layout.in_etc(name))
    if linked_build() != wanted.build:
        files.link(layout.BINARY, wanted.binary)
    unit_differs = wanted.unit is not None and content(layout.UNIT) != wanted.unit
    if unit_differs:
        files.write(layout.UNIT, wanted.unit, layout.UNIT_MODE)
    # First the manifest: should this be killed, the next run knows whose the files are.
    _write_manifest(manifest() | set(wanted.files))
    files.commit()
    _close_files(layout.ETC, wanted.files)
    _remove_emptied(gone)
    remove_left_overs()
    _write_manifest(wanted.files)
    if unit_differs:
        must(SERVICE, "daemon-reload")


def finish_interrupted():
    """Where a change was cut off, by a power cut or SIGKILL, have one whole generation on the disk
    before nginx starts with parts of two."""
    before = generations.linked("before")
    staged = generations.linked("staged")
    if before and not is_installed(before) and not (staged and is_installed(staged)):
        install(before)
        say(f"A change was cut off before all of it was there: {before.name} is back.")
    remove_left_overs()


def left_overs():
    """Paths of what only a change makes, where one was killed; a secret may be in each. Of a change
    that is under way they are its own."""
    names = {"nginx.conf", "mime.types"} | manifest() | generations.names_of_files()
    links = (layout.in_state(name) for name in (*generations.LINKS, "manifest"))
    found = left_beside([*map(layout.in_etc, sorted(names)), layout.BINARY, layout.UNIT, *links])
    stored = os.listdir(layout.in_state("generations"))
    found += [layout.in_state("generations", name) for name in stored if name.startswith(".")]
    for name in os.listdir(layout.STATE):
        if name.startswith(("view.", "upload.")):
            found.append(layout.in_state(name))
    return found


def remove_left_overs():
    found = left_overs()
    if found:
        generations.remove(*found)


def snapshot(wanted):
    """What is on the disk now, as a generation to go back to; None where there is no nginx."""
    current = generations.linked("current")
    if current and is_installed(current):
        return current
    if not linked_build() or None in (content(layout.UNIT), content(layout.in_etc("nginx.conf"))):
        return None

    files = {"unit": content(layout.UNIT)}
    files["about"] = f"build={linked_build()}\nport={(current or wanted).port}\n".encode()
    workers_read = []
    for name in sorted(manifest() | set(wanted.files)):
        data = content(layout.in_etc(name))
        if data is not None:
            files[os.path.join("etc", name)] = data
            if os.stat(layout.in_etc(name)).st_gid == _workers_group():
                workers_read.append(name)
    if workers_read:
        files["about"] += f"workers_read={' '.join(workers_read)}\n".encode()

    def fill(directory):
        for path, data in files.items():
            write(os.path.join(directory, path), data, mode_of(path))

    # By what is in it: a name with the time would be given twice where the clock is set back.
    return generations.create(f"found-{generations.digest(files)}", fill)
