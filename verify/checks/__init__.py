"""What has to hold: pure functions of a snapshot, in a module for each subject.

To add a check: write a function below `@on_host` or `@in_cluster` in the module of its subject;
where no probe answers its question yet, a probe in verify/observe/ and a reader in verify/read/;
and the case that breaks it in tests/unit/verify/. A new module is registered here, and only here.
"""

from verify.checks import (
    cluster_agreement,
    cluster_network,
    cluster_sameness,
    connection_handover,
    keepalived_service,
    machine_state,
    metrics_access,
    network_node,
    nginx_build,
    nginx_configuration,
    nginx_service,
    tls,
    vrrp_state,
)

__all__ = [
    "cluster_agreement",
    "cluster_network",
    "cluster_sameness",
    "connection_handover",
    "keepalived_service",
    "machine_state",
    "metrics_access",
    "network_node",
    "nginx_build",
    "nginx_configuration",
    "nginx_service",
    "tls",
    "vrrp_state",
]
