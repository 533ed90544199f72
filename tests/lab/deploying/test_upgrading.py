"""The binary changes while clients ask: hot upgrades, bad builds, changes that are killed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lab.twin import Lab
from tests.support.clients.load import BIG, asking
from tests.support.lab.deployment import Deployed, deploy, pyinfra
from tests.support.lab.pair import (
    APPLY,
    HOME,
    HOSTS,
    OTHER_FLAG,
    digests,
    holders,
    on,
    process,
    running_build,
    start_deploy,
    wait_until,
)


def test_a_keepalived_configuration_that_does_not_work_is_taken_back(lab: Lab, plain: None) -> None:
    """keepalived's own test accepts it, and with it this node is out of the election."""
    staged = "/var/lib/tandem/keepalived/keepalived.conf"
    spoil = f"sed -i s,/run/tandem/failed,/run/bad, {staged}"
    on(lab, "host2", f"cp -p {staged} /run/kept; echo 1 >/run/bad; {spoil}")
    before = digests(lab)
    try:
        with asking(lab) as seen:
            done = lab.ssh("host2", "/usr/lib/tandem/apply-keepalived reload eth0 172.16.12.254")
        assert done.returncode == 1
        assert "The old configuration is back, and keepalived works with it." in done.stderr
        assert digests(lab) == before
        assert holders(lab) == ["host1"]
        assert seen.lost == {}
    finally:
        on(lab, "host2", f"mv /run/kept {staged}; rm /run/bad")


def test_a_hot_upgrade_and_its_rollback_lose_nothing_and_cut_no_download(
    lab: Lab, plain: None
) -> None:
    for host in HOSTS:
        on(lab, host, f"seq 3000000 >{BIG}")
    whole = on(lab, "host1", f"sha256sum <{BIG}").split()[0]
    old = running_build(lab, "host1")
    try:
        with asking(lab, downloads=3) as seen:
            done = deploy(lab, "--data", OTHER_FLAG)
            assert done.returncode == 0, done.stdout
            assert "nginx: upgrade, because it runs another binary" in done.stdout
        assert seen.lost == {}
        assert seen.downloads == [whole] * 3
        assert running_build(lab, "host1") != old
        assert running_build(lab, "host2") != old
        with asking(lab, downloads=3) as seen:
            back = pyinfra(lab, "-y", "inventory.py", "rollback.py")
            assert back.returncode == 0, back.stdout
        assert "the next deploy would bring it back" in back.stdout
        assert seen.lost == {}
        assert seen.downloads == [whole] * 3
        assert running_build(lab, "host1") == running_build(lab, "host2") == old
    finally:
        for host in HOSTS:
            on(lab, host, f"rm -f {BIG}")


# In its rehearsal it has no eth0; what is only bad in public is bad there alone.
IN_PUBLIC = "grep -q eth0 /proc/self/net/dev"


ANSWERS_500 = (
    "sed 's,return  *200 .*,return 500;,' /etc/nginx/nginx.conf >/run/nginx/bad.conf; "
    "cp /etc/nginx/mime.types /run/nginx/; exec REAL -c /run/nginx/bad.conf"
)


BAD = {
    "answers-500": (ANSWERS_500, "refused in its rehearsal"),
    "crashes": ("kill -SEGV $$", "refused in its rehearsal"),
    "hangs-in-public": (f"{IN_PUBLIC} && exec sleep 1000; exec REAL", "the new binary"),
}


def copied(real: Path, current: str, name: str) -> str:
    """Shell words that make a generation like the current one, with a build of its own."""
    build = f"/usr/lib/tandem/nginx/{name}"
    return (
        f"cd {HOME}/generations && rm -rf {name} {build} && cp -a {real} {build} && "
        f"cp -a {current} {name} && sed -i s/^build=.*/build={name}/ {name}/about && "
        f"rm {name}/sums"  # it is not as it was stored any more
    )


@pytest.fixture
def bad_build(lab: Lab, deployed: Deployed, request: pytest.FixtureRequest) -> Iterator[str]:
    """A generation on host1 whose binary passes nginx's test and is bad otherwise."""
    current = on(lab, "host1", f"basename $(readlink {HOME}/current)")
    real = on(lab, "host1", "readlink /usr/sbin/nginx")
    script = request.param.replace("REAL", real)
    wrapper = f'#!/bin/sh\n[ "$1" != -t ] || exec {real} "$@"\n{script}\n'
    make = (
        f"{copied(Path(real).parent, current, 'bad')} && "
        f"printf %s {shlex.quote(wrapper)} >/usr/lib/tandem/nginx/bad/nginx && "
        f"{APPLY} again bad"
    )
    on(lab, "host1", make)
    yield "bad"
    on(lab, "host1", f"{APPLY} again {current} && {APPLY} apply")


@pytest.mark.parametrize(("bad_build", "said"), BAD.values(), ids=list(BAD), indirect=["bad_build"])
def test_a_bad_build_loses_nothing_and_the_old_one_goes_on(
    lab: Lab, bad_build: str, said: str
) -> None:
    before = process(lab, "host1"), running_build(lab, "host1")
    etc = digests(lab)
    with asking(lab) as seen:
        done = lab.ssh("host1", f"{APPLY} apply")
    assert done.returncode == 1
    assert said in done.stderr, done.stderr
    assert (process(lab, "host1"), running_build(lab, "host1")) == before
    assert digests(lab) == etc
    assert seen.lost == {}


def test_one_that_is_bad_only_once_it_has_taken_over_gives_back_to_the_old_one(
    lab: Lab, plain: None
) -> None:
    """The last line of defence: the old master, whose workers were sent away, has new ones."""
    real = Path(on(lab, "host1", "readlink /usr/sbin/nginx")).parent
    current = on(lab, "host1", f"basename $(readlink {HOME}/current)")
    server = "server { listen 80; server_name tandem; return 500; }"
    include = "s,^http {,http { include /run/nginx/bad-*.conf;,"  # in its rehearsal, empty
    on(
        lab,
        "host1",
        f"{copied(real, current, 'bad')} && "
        f"sed -i '{include}' bad/etc/nginx.conf && echo '{server}' >/run/nginx/bad-health.conf && "
        f"{APPLY} again bad",
    )
    before = process(lab, "host1"), running_build(lab, "host1")
    etc = digests(lab)
    try:
        with asking(lab) as seen:
            done = lab.ssh("host1", f"{APPLY} apply")
        assert done.returncode == 1
        assert "500 Internal Server Error' to GET /tandem-health after: upgrade" in done.stderr
        assert "The old one is back and answers" in done.stderr
        assert (process(lab, "host1"), running_build(lab, "host1")) == before
        assert digests(lab) == etc
        assert seen.lost == {}
    finally:
        on(
            lab,
            "host1",
            f"rm /run/nginx/bad-health.conf; {APPLY} again {current}; {APPLY} apply",
        )
    assert wait_until(lambda: holders(lab) == ["host1"], 30)


def test_an_upgrade_killed_at_any_moment_is_finished_by_the_next_run(lab: Lab, plain: None) -> None:
    """Only the program on the machine, from build to build and back: while it remembers where it
    goes back to, and while the old master is still there."""
    real = Path(on(lab, "host1", "readlink /usr/sbin/nginx")).parent
    current = on(lab, "host1", f"basename $(readlink {HOME}/current)")
    on(lab, "host1", copied(real, current, "other"))
    moments = (f"{HOME}/before", "/run/nginx/nginx.pid.oldbin") * 2
    reached = []
    with asking(lab) as seen:
        for number, there in enumerate(moments):
            target = current if number % 2 else "other"
            on(lab, "host1", f"{APPLY} again {target}")
            lab.ssh(
                "host1",
                f"{APPLY} apply & until [ -e {there} ] || ! kill -0 $! 2>/dev/null; "
                "do sleep 0.01; done; kill -KILL $!",
            )
            reached.append(on(lab, "host1", f"ls -d {HOME}/before /run/nginx/*.oldbin || true"))
            on(lab, "host1", f"{APPLY} apply")
            assert on(lab, "host1", f"{APPLY} look").startswith("Action=none")
            assert running_build(lab, "host1") == ("other" if target == "other" else real.name)
        on(lab, "host1", f"{APPLY} again {current} && {APPLY} apply")
    assert all(reached), "it was not killed in the middle of the change"
    assert seen.lost == {}


def test_a_deploy_killed_at_any_moment_is_finished_by_the_next(lab: Lab, plain: None) -> None:
    """Three moments of its way; two more are in tests/lab/pair/test_deploying.py."""
    workload = "io"
    began_s = time.monotonic()
    assert deploy(lab, "--data", "workload=io").returncode == 0
    took_s = time.monotonic() - began_s
    with asking(lab) as seen:
        for moment in range(1, 4):
            workload = "cpu" if workload == "io" else "io"
            words = ("--data", f"workload={workload}")
            running = start_deploy(lab, *words)
            time.sleep(took_s * (0.3 + 0.7 * moment / 4))
            with suppress(ProcessLookupError):  # it was quicker than the first one
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            assert len(holders(lab)) == 1
            done = deploy(lab, *words)
            assert done.returncode == 0, done.stdout
            assert len(holders(lab)) == 1
            for host in HOSTS:
                process(lab, host)
            workers = on(lab, "host1", "grep worker_processes /etc/nginx/nginx.conf")
            assert re.search(
                rf" {(2 if workload == 'io' else 1) * (os.cpu_count() or 1)};", workers
            )
        assert holders(lab) == ["host1"]
    assert seen.lost == {}
