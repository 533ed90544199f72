"""BIRD: announces the VIP of a routed cluster to its routers."""

from tasks.bird.bird_configuration import FOOTPRINT, SERVICE, apply, files, stage

__all__ = ["FOOTPRINT", "SERVICE", "apply", "files", "stage"]
