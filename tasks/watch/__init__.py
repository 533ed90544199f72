"""tandem-watch: tells keepalived whether this node's nginx serves."""

from tasks.watch.health_watch import FOOTPRINT, NGINX_TRUSTED, SERVICE, configure, remove

__all__ = ["FOOTPRINT", "NGINX_TRUSTED", "SERVICE", "configure", "remove"]
