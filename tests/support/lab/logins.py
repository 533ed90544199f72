"""Commands that make of a login on a machine what hardened and lived-in machines make of it."""

# Whatever is made there, also by what comes by SFTP, is nobody else's to read.
HARDENED = "echo 'session optional pam_umask.so umask=0077' >>/etc/pam.d/sshd"
AS_EVER = "sed -i /pam_umask/d /etc/pam.d/sshd"
# On both streams, and the last line has no end.
NOISY = "echo 'echo welcome; echo be good >&2; printf \"no news\"' >>/root/.bashrc"
QUIET = "sed -i '/no news/d' /root/.bashrc"
