"""pyinfra's command line patches the standard library for gevent; that has to come first."""

import pyinfra_cli  # noqa: F401
