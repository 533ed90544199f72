"""The machine under the services: what it is, its packages, account, clock, limits, firewall."""
