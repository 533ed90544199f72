"""What `apply` would do with a generation that is not staged, and what its test says of it.

For the plan of a deploy: nothing is changed, and what has to lie somewhere for a while lies beside
this program, which was sent for the purpose and goes with its directory.
"""

import os

from apply_nginx import generations, nginx_warnings, walls
from apply_nginx.decision import decide
from apply_nginx.generations import StoredGeneration
from apply_nginx.installed_files import linked_build, users_snippets
from apply_nginx.observation import observe
from apply_nginx.rehearsal import examine, refuse_users_files
from apply_nginx.serving.service_manager import Failed, must


def foresee(name, tar, *sources):
    """Print Action=, Reason= and Own= as `look` does, and then Fault= for each line that its test
    says against it, Doubt= where that is no proof, and Warn= for what nginx warns of.

    tar: "" for a generation that is kept here.
    """
    wanted = _unpacked(name, tar) if tar else generations.stored(name)
    if wanted is None:
        print(f"Fault=the generation {name} is not here, or no longer as it was stored")
        return
    action, reason = decide(observe(wanted))
    print(f"Action={action}\nReason={reason}")
    for path in users_snippets(wanted):
        print(f"Own={path}")
    for line in _tested(wanted, sources, new=bool(tar)).splitlines():
        print(line)


def _unpacked(name, tar):
    directory = os.path.join(os.path.dirname(os.path.abspath(tar)), name)
    os.makedirs(os.path.join(directory, "etc"))
    must("tar", "--extract", "--touch", "--no-same-owner", "--file", tar, "-C", directory)
    return StoredGeneration(directory)


def _tested(wanted, sources, new):
    """Lines, as they are printed. new: it has never served; what nginx only warns of may count."""
    walled = walls.of(wanted).writable if walls.has_walls(wanted) else ()
    missing = [path for path in walled if not os.path.isdir(path)]
    if missing:
        return f"Doubt=there is no {missing[0]} yet, which the run makes"
    kind = "Fault="
    before = linked_build()
    if not os.path.exists(wanted.binary):
        if not before:
            return ""
        kind = f"Doubt=the nginx that is there ({before}) says: "
        wanted.build = before
    lines = []

    def judged(said, files):
        lines.extend(f"Warn={line}" for line in nginx_warnings.told(said, files))
        return nginx_warnings.faults_in(said, files) if new else []

    try:
        refuse_users_files(wanted)
        examine(wanted, sources, judged)
    except Failed as error:
        lines += [kind + line for line in str(error).splitlines() if line]
    except OSError as error:
        lines.append(f"Doubt=it could not be tested: {error}")
    return "\n".join(lines)
