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
    """What is no matter of taste: names of Tandem's that another file takes, or another of its
    own servers."""
    faults = {}
    for conflict in _CONFLICT.finditer(said):
        name, address = conflict.group(1), conflict.group(2)
        port = address.rpartition(":")[2]
        if not name or (name, port) in faults:
            continue
        places = _having(name, files, port)
        written = (layout.in_etc("nginx.conf:"), layout.in_etc("sites/"))
        ours = [place for place in places if place.startswith(written)]
        others = [place for place in places if place not in ours]
        if len(ours) > 1 and not others:
            faults[name, port] = (
                f'{", ".join(ours[1:])}: server_name "{name}" on {address} is in {ours[0]}, too, '
                "and Tandem writes both: nginx would serve one of them alone. Take it out of one "
                "of them (sites)"
            )
        elif ours and others:
            faults[name, port] = (
                f'{", ".join(others)}: server_name "{name}" on {address} is '
                f"in {ours[0]}, too, which Tandem writes: nginx would serve one of them alone. "
                "Give it another name or port"
            )
    return list(faults.values())


def _having(name, files, port=""):
    """FILE:LINE of every server_name that has the name. port: of a server that listens there."""
    return [
        f"{file}:{line}"
        for file, text in files
        for line in _lines_with(_meant(name), nginx_paths.directives(text), port)
    ]


def _meant(name):
    """The names that one `server_name` stands for: ".example.org" for two."""
    name = name.lower()
    return {name[1:], "*" + name} if name.startswith(".") else {name}


def _lines_with(names, block, port):
    for one in block:
        if one.words[0] == "server" and one.block and port and not _listens(one.block, port):
            continue
        if one.words[0] == "server_name" and any(names & _meant(word) for word in one.words[1:]):
            yield one.line
        yield from _lines_with(names, one.block, port)


def _listens(block, port):
    """Whether the server of this block has that port; what it includes may say so."""
    if any(one.words[0] == "include" for one in block):
        return True
    listens = [one.words[1] for one in block if one.words[0] == "listen" and len(one.words) > 1]
    ports = [word.rpartition(":")[2] for word in listens] or ["80"]
    # An address alone is port 80, and nginx has spelled out no range of ports.
    return any(
        each == port or (not each.isdigit() and port == "80") or "-" in each for each in ports
    )
