"""RT: checks of a routed cluster, whose machines all have the VIP and announce it."""
