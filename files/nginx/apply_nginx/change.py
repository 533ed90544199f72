"""Put the staged generation into service, or go back to what was in place before."""

import signal

from apply_nginx import generations
from apply_nginx.decision import decide
from apply_nginx.installed_files import has_files, install, is_installed, snapshot
from apply_nginx.observation import observe
from apply_nginx.rehearsal import check_configuration, rehearse
from apply_nginx.retention import record_healthy
from apply_nginx.serving import hot_upgrade, masters, service_manager
from apply_nginx.serving.health import PROOF_TIMEOUT_S, START_TIMEOUT_S, current_problem, is_healthy
from apply_nginx.serving.service_manager import RUNNING_STATE, SERVICE, Failed, must
from common.journal import say
from common.machine_files import in_words


def apply():
    """Do what it takes, and see nginx healthy afterwards. Raises `Failed`, having gone back."""
    wanted = generations.linked("staged")
    if wanted is None:
        raise Failed("nothing is staged. Deploy again")
    action, _ = decide(observe(wanted))
    if action == "none":
        return
    named = check_configuration(wanted)
    before = generations.linked("before") or snapshot(wanted)
    hot_upgrade.finish_earlier(wanted, before, action)
    observed = observe(wanted)
    action, _ = decide(observed)
    if observed.active and not observed.two_masters and action != "confirm":
        rehearse(wanted, named)
    if before:
        generations.set_link("before", before.name)
    try:
        put_into_service(wanted, action)
    except (Failed, OSError) as error:
        go_back(before, action, in_words(error))
    old = 0
    if action == "upgrade":
        old = masters.old()
        must(RUNNING_STATE, "reloaded", "nginx")
    if old:
        masters.send(old, signal.SIGQUIT)
    # Not before the signal: once recorded, a later run does not look at the old master again.
    record_healthy(wanted)
    if old:
        hot_upgrade.wait_for_old_master(old, wanted)


def put_into_service(wanted, action):
    """Install `wanted` and let nginx run it. Raises `Failed` where it is not healthy then."""
    install(wanted)
    unit = service_manager.properties()
    if unit.get("NeedDaemonReload") == "yes":
        must(SERVICE, "daemon-reload")
    if unit.get("UnitFileState") != "enabled":
        must(SERVICE, "enable", "nginx")
    if action == "upgrade":
        hot_upgrade.take_over(wanted)
    elif action != "confirm":
        service_manager.act(action, wanted.drain_timeout_s)
    if not is_healthy(wanted.port, PROOF_TIMEOUT_S if action == "upgrade" else START_TIMEOUT_S):
        raise Failed(f"nginx {current_problem(wanted.port) or 'did not answer'} after: {action}")


def go_back(before, action, why):
    """Undo `put_into_service`. Always raises `Failed`: `why`, and what serves now."""
    if before is None:
        raise Failed(f"{why}\nThere is no earlier nginx to go back to. Mend it and deploy again")
    say(f"{why}\nGoing back to {before.build}.")
    files_changed = not has_files(before)
    try:
        install(before)
        if action == "upgrade":
            hot_upgrade.roll_back()
            if files_changed:  # so that no file is younger than the workers that have read it
                service_manager.act("reload")
        else:
            verb = action if action in ("start", "restart") else "reload"
            service_manager.act(verb, before.drain_timeout_s)
    except (Failed, OSError) as error:
        say(in_words(error))
    if not is_healthy(before.port, START_TIMEOUT_S):
        raise Failed(f"{why}\nAnd the old one {current_problem(before.port)}, either")
    if not is_installed(before):
        raise Failed(f"{why}\nThe old one answers, and its files could not be put back")
    generations.end_change()
    raise Failed(f"{why}\nThe old one is back and answers")
