"""The commands of apply-nginx."""

import contextlib
import hashlib
import os
import sys

from apply_nginx import generations, layout, nginx_warnings
from apply_nginx.change import apply
from apply_nginx.decision import decide
from apply_nginx.foresight import foresee
from apply_nginx.generations import StoredGeneration
from apply_nginx.installed_files import finish_interrupted, users_snippets
from apply_nginx.observation import observe
from apply_nginx.rehearsal import check_configuration, start_isolated
from apply_nginx.serving.service_manager import Failed, must
from apply_nginx.worker_paths import probe
from common.journal import say
from common.machine_files import content, in_words
from common.undisturbed import exclusively, go_on_whatever_happens

USAGE = """\
    apply-nginx stage NAME TAR [SOURCE...]  unpack a generation and test it, and no more
    apply-nginx again NAME                  the same for a generation that is here
    apply-nginx look                        what `apply` would do, and why
    apply-nginx foresee NAME TAR [SOURCE...]  the same once NAME were staged, and its test
    apply-nginx apply                       put what is staged into service
    apply-nginx recover                     finish what a power cut has cut off"""


def stage(name, tar, *sources):
    """Unpack `tar` as the generation `name`."""

    arrived = hashlib.sha256(content(tar) or b"").hexdigest()[:12]
    if not name.endswith(f".{arrived}"):
        raise Failed(f"{tar} is not what was sent (its digest is {arrived}). Deploy again")

    def fill(directory):
        must("tar", "--extract", "--touch", "--no-same-owner", "--file", tar, "-C", directory)
        unpacked = StoredGeneration(directory)
        if not os.path.exists(unpacked.binary):
            raise Failed(f"there is no build {unpacked.build} here. Deploy again")

    try:
        wanted = generations.create(name, fill)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(tar)
    _want(wanted.name, sources, nginx_warnings.judge)


def again(name, *sources):
    """Let a generation that is here be the wanted one. It has served before: what would not be
    taken newly into service is no reason to keep anybody from going back."""
    _want(name, sources, nginx_warnings.tell)


def _want(name, sources, judge_warnings):
    """Let it be the wanted one, once it has passed its test."""
    wanted = generations.stored(name)
    if wanted is None:
        raise Failed(f"the generation {name} is not here, or no longer as it was stored")
    try:
        check_configuration(wanted, sources, judge_warnings)
    except Failed as error:
        raise Failed(f"{error}\nNothing was changed: nginx goes on as before") from None
    generations.set_link("staged", name)


def look():
    """Print what `apply` would do, and which configuration is the user's own."""
    wanted = generations.linked("staged")
    action, reason = decide(observe(wanted)) if wanted else ("start", "nothing is staged")
    print(f"Action={action}\nReason={reason}")
    for path in users_snippets(wanted) if wanted else ():
        print(f"Own={path}")


def recover():
    """Called before each start of nginx. A change that goes on will finish by itself."""
    with contextlib.suppress(BlockingIOError), exclusively(layout.in_state("lock"), wait=False):
        finish_interrupted()


READING = {
    "look": look,
    "foresee": foresee,
    "recover": recover,
    # What this program does of itself, inside the walls.
    "rehearsal": start_isolated,
    "probe": probe,
}
CHANGING = {"stage": stage, "again": again, "apply": apply}


def main():
    """The exit code for the command in sys.argv."""
    verb, words = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    try:
        if verb in READING:
            READING[verb](*words)
        elif verb in CHANGING:
            go_on_whatever_happens()
            os.makedirs(layout.in_state("generations"), exist_ok=True)
            os.chmod(layout.STATE, 0o700)
            with exclusively(layout.in_state("lock")):
                CHANGING[verb](*words)
        else:
            raise Failed(USAGE)
    except (Failed, OSError) as error:
        why = in_words(error)
        say(why if verb == "rehearsal" else f"nginx: {why}.")
        return 1
    return 0
