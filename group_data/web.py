"""Settings of the cluster `web`, the group of that name in inventory.py.

Take a `#` away and edit, or add a line: every setting stands in group_data/all.py, with its default
and its reason. What is set here goes before that file and before the group's own settings in
inventory.py; what a machine has there goes before this. Is your group called otherwise? Then this
file has to be called like it.
"""

# --- reaching the machines (docs/operations.md, How the machines are reached) -------------------

# Somebody else than root, with sudo. Where sudo wants a password, you are asked for it.
# ssh_user = "ann"
# _sudo = True

# Another file than ~/.ssh/config, and than ~/.ssh/known_hosts.
# ssh_config_file = "ssh_config"
# ssh_known_hosts_file = "known_hosts"

# --- the network that the machines are in -------------------------------------------------------

# interface = "ens18"
# virtual_router_id = 61
# ntp_server = "10.20.0.1"

# --- mail about transitions ---------------------------------------------------------------------

# notification_email = ["admin@example.org"]
# notification_email_from = "tandem@example.org"
# smtp_server = "10.20.0.2"

# --- what is served (docs/tls.md) ---------------------------------------------------------------

# sites = [{"server_names": ["www.example.org"], "content": "sites/example"}]
# tls_certificate = "/etc/letsencrypt/live/www.example.org/fullchain.pem"
# tls_key = "/etc/letsencrypt/live/www.example.org/privkey.pem"
