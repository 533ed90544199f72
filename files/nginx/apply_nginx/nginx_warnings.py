"""What nginx warns of when it tests a configuration, and what of it is refused."""

import re

from apply_nginx import layout, nginx_paths

_CONFLICT = re.compile(r'conflicting server name "([^"]*)" on (\S+), ignored')


def lines(said):
    """The warnings in what `nginx -t` has `said`, each once, in its order. A conflict of names is
    said once, whatever the number of addresses."""
    found = {}
    for line in said.splitlines():
        if "[warn]" in line:
            found.setdefault(_CONFLICT.sub(r'conflicting server name "\1"', line.strip()), line)
    return list(found.values())


def told(said, files):
    """Its warnings as lines, with the files that nginx does not name."""
    found = []
    for line in lines(said):
        conflict = _CONFLICT.search(line)
        places = _having(conflict.group(1), files) if conflict else []
        found.append(line.strip() + (f": in {' and '.join(places)}" if places else ""))
    return found


def tell(said, files):
    """Print what the deploy shows as its own."""
    for line in told(said, files):
        print(line)
    return []


def judge(said, files):
    """`tell`, and return the `faults`."""
    return tell(said, files) + faults_in(said, files)


def faults_in(said, files):
    """What is no matter of taste: names of Tandem's that another file takes."""
    faults = []
    for line in lines(said):
        conflict = _CONFLICT.search(line)
        places = _having(conflict.group(1), files) if conflict and conflict.group(1) else []
        ours = [place for place in places if place.startswith(layout.in_etc("nginx.conf:"))]
        others = [place for place in places if place not in ours]
        if ours and others:
            faults.append(
                f'{", ".join(others)}: server_name "{conflict.group(1)}" on {conflict.group(2)} is '
                f"in {ours[0]}, too, which Tandem writes: nginx would serve one of them alone. "
                "Give it another name or port"
            )
    return faults


def _having(name, files):
    """FILE:LINE of every server_name that has the name."""
    return [
        f"{file}:{line}"
        for file, text in files
        for line in _lines_with(name.lower(), nginx_paths.directives(text))
    ]


def _lines_with(name, block):
    for one in block:
        if one.words[0] == "server_name" and name in [word.lower() for word in one.words[1:]]:
            yield one.line
        yield from _lines_with(name, one.block)
