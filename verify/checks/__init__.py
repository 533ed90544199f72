"""What has to hold: pure functions of a snapshot, in a module for each subject; those
across a cluster in cluster/, those of what keepalived runs for a person in programs/.

To add a check: write a function below `@on_host` or `@in_cluster` in the module of its subject;
where no probe answers its question yet, a probe in verify/observe/ and a reader in verify/read/;
and the case that breaks it in tests/unit/verify/. A new module is found by itself.
"""

from importlib import import_module
from pkgutil import walk_packages

for module in walk_packages(__path__, f"{__name__}."):
    import_module(module.name)
