"""What notify.sh runs: state changes in the order of the calls; the hooks and mails about them.

keepalived starts a notify script and does not wait for it, so two may run at once. Each call is
entered first (`entries`); whoever has the lock works all of them off, the earliest first. What may
take long, hooks and mails, is entered in turn and done in the background, one after the other.
"""
