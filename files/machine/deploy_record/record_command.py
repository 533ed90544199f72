"""The commands of deploy-record."""

import hashlib
import os
import sys

from common.commands import run
from common.journal import say
from common.machine_files import content, in_words, link, write
from common.undisturbed import exclusively, go_on_whatever_happens
from deploy_record import deploy_log, json_text
from deploy_record import machine_generations as generations

USAGE = """\
    deploy-record done JSON     write down what a run has done, and the generation that it leaves
    deploy-record list          the generations and the last run, as JSON
    deploy-record restore ID    sites and files as they were in a generation; the services go on"""


class Refused(Exception):
    """Why it could not be done, for the person who runs it."""


def done(text):
    """Write down a run. `text`: who and what, as JSON; with `generation`, what it leaves (name,
    sites, and the paths of files that are a part of it), or with `to`, what it has brought back."""
    entry = json_text.loads(text)
    left = entry.pop("generation", None)
    before = generations.load(generations.present()) or {"contents": {}}
    after = before["contents"]
    if left:
        about = dict(left["about"], id=left["id"])
        after = generations.save(left["id"], about, left["paths"], left["sites"])
    elif entry.get("to"):
        generations.set_present(entry["to"])
        after = (generations.load(entry["to"]) or before)["contents"]
        # Not before: until its turn nginx still knew them.
        generations.unserve_all_but(after)
    changed = generations.differences(before["contents"], after)
    entry["sites"] = changed["sites"]
    entry["files"] = sorted(
        set(entry["files"]) - set(generations.STAGED.values()) | set(changed["files"])
    )
    entry["services"] = entry["services"] + changed["nginx"]
    entry["exit"] = "done"
    generations.remove_left_overs([*generations.paths_of(after), deploy_log.LOG])
    deploy_log.append(entry)
    # Python 3.6 may know no encoding here but ASCII.
    told = deploy_log.summary(entry).encode("ascii", "backslashreplace").decode()
    run("logger", "-t", "tandem", told)


def list_all():
    """Print what a rollback chooses from."""
    found = []
    name = generations.present()
    for index in filter(None, map(generations.load, generations.names())):
        now = generations.found_now(generations.paths_of(index["contents"]))
        differs = generations.differences(now, index["contents"])
        found.append(
            dict(
                index,
                lacking=generations.lacking(index),
                units=generations.unit_texts(index, differs["files"]),
                differs=differs["nginx"]
                + [f"site {site}" for site in differs["sites"]]
                + differs["files"],
            )
        )
    last = (deploy_log.entries() or [{}])[-1]
    print(json_text.dumps({"generations": found, "present": name, "last": last}))


# What is staged: who reads it, and the command that says whether it would.
JUDGES = {
    "/etc/keepalived/keepalived.conf": (
        "keepalived",
        ("/usr/sbin/keepalived", "--config-test", "--use-file"),
    ),
    "/etc/bird/bird.conf": ("BIRD", ("/usr/sbin/bird", "-p", "-c")),
}


def restore(name):
    """Serve the sites of a generation, and have its files in their places. keepalived.conf, or
    bird.conf, is only staged, once the program that reads it has accepted it."""
    index = generations.load(name)
    if index is None:
        raise Refused(f"there is no generation {name} here")
    if generations.lacking(index):
        raise Refused(f"of generation {name} this is missing: {generations.lacking(index)}")
    texts = {
        path: content(generations.blob_path(index["contents"]["file " + path]))
        for path in generations.paths_of(index["contents"])
    }
    for path, place in generations.STAGED.items():
        if path in texts:
            _test(path, place, texts[path])
    for path in sorted(texts):
        place = generations.STAGED.get(path, path)
        if hashlib.sha256(content(place) or b"").digest() != hashlib.sha256(texts[path]).digest():
            write(place, texts[path], index["modes"].get(path, 0o640))
    for key, digest in sorted(index["contents"].items()):
        kind, _, site = key.partition(" ")
        if kind == "site":
            current = generations.in_state("sites", site, "current")
            version = generations.site_version(site, digest)
            if not (os.path.islink(current) and os.readlink(current) == version):
                link(current, version)


def _test(path, place, data):
    """Have the program that reads `path` judge a configuration, beside the place where it goes."""
    program, words = JUDGES[path]
    trial = generations.trial_path(place)
    write(trial, data, 0o600)
    try:
        judged = run(*words, trial)
    finally:
        os.unlink(trial)
    if judged.code:
        raise Refused(f"{program} refuses its configuration of then: {judged.message}")


CHANGING = {"done": done, "restore": restore}


def main():
    """The exit code for the command in sys.argv."""
    verb, words = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    try:
        if verb == "list":
            list_all()
        elif verb in CHANGING:
            go_on_whatever_happens()
            with exclusively(generations.in_state("generations", ".lock")):
                CHANGING[verb](*words)
        else:
            raise Refused(USAGE)
    except (Refused, OSError) as error:
        say(f"deploy-record: {in_words(error)}.")
        return 1
    return 0
