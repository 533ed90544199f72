"""Commands that take long, and say every few seconds how far they are."""

from __future__ import annotations

# Who waits for connections goes on as soon as this is there (also apply-nginx's old_connections).
# Not in /run/tandem, which the classic profile has not.
SKIP_WAITING = "/run/tandem-skip-waiting"
EVERY_S = 5
FIRST_S = 1.5


def aloud(command: str, progress: str, *, on_skip: str = "") -> str:
    """Shell that runs `command`, whose exit status it has, and says meanwhile how far it is.

    + command: a simple one, without `;` or `&&`.
    + progress: the text, in double quotes' syntax; `$s` is how many seconds it has taken.
    + on_skip: what is run when a person wants it to end; then the text should say how.
    """
    skip = f"if [ -e {SKIP_WAITING} ]; then rm -f {SKIP_WAITING}; {on_skip}; fi; "
    first, every = round(FIRST_S * 10), EVERY_S * 10
    return (
        f"{command} & job=$!; rm -f {SKIP_WAITING}; n=0; "
        "while kill -0 $job 2>/dev/null; do sleep 0.1; n=$((n + 1)); s=$((n / 10)); "
        f"{skip if on_skip else ''}"
        # The controller shows such a line at once (controller/ssh/machine_connector.py).
        f'[ $((n % {every})) -ne {first} ] || echo "waiting: {progress}" >&2; done; wait $job'
    )
