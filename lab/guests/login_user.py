"""The user that the inventory logs in as, on a guest as on the machine it stands for."""

from __future__ import annotations

from shlex import quote

from lab.plan import Login

# No name with a dot in it is read there.
SUDOERS = "/etc/sudoers.d/lab"
DOAS = "/etc/doas.conf"
# sshd takes the first value that it reads; in here those of one user.
_SSHD = "/etc/ssh/sshd_config.d/lab-login.conf"


def script(login: Login) -> str:
    """Shell text that makes the user; done again, it changes nothing. Pure.

    It reads `passwords(login)` on its standard input.
    """
    lines = ["set -eu"]
    if login.packages:
        lines.append(
            f"command -v {login.becomes} >/dev/null || {{ apt-get -qq update && "
            f"apt-get -qq install --no-install-recommends {' '.join(login.packages)}; }} >&2"
        )
    user = quote(login.user)
    if login.user != "root":
        # A group of that name may be there (operator, staff). A user of the system's own may have
        # no shell, and no home.
        lines += [
            f"own=$(getent group {user} >/dev/null && echo --no-user-group --gid {user} || true)",
            f"id {user} >/dev/null 2>&1 || useradd --create-home $own {user}",
            f"usermod --shell /bin/bash {user}",
            f"home=$(getent passwd {user} | cut -d: -f6)",
            f'install -d -o {user} -m 700 "$home/.ssh"',
            '[ -e "$home/.ssh/authorized_keys" ] || install -o '
            f'{user} -m 600 /root/.ssh/authorized_keys "$home/.ssh/"',
        ]
        if login.becomes == "sudo":
            asks = "" if login.sudo_asks else "NOPASSWD: "
            rule = quote(f"{login.user} ALL=(ALL:ALL) {asks}ALL")
            lines += [f"echo {rule} >{SUDOERS}", f"chmod 440 {SUDOERS}"]
        elif login.becomes == "doas":
            rule = quote(f"permit nopass {login.user} as root")
            lines += [f"echo {rule} >{DOAS}", f"chmod 600 {DOAS}"]
    if login.by_password:
        words = [f"Match User {login.user}", "PasswordAuthentication yes", "PermitRootLogin yes"]
        lines += [f"printf '%s\\n' {' '.join(map(quote, words))} >{_SSHD}"]
        lines.append("service ssh reload >/dev/null")
    # Without a shell's echo, nor a list of processes, in which they would be seen.
    lines.append("chpasswd")
    return "\n".join(lines) + "\n"


def passwords(login: Login) -> str:
    """Lines as chpasswd reads them; "" where there are none."""
    given = {"root": login.root_password, login.user: login.password}
    return "".join(f"{user}:{password}\n" for user, password in given.items() if password)
