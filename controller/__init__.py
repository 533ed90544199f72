"""What happens on the controller for a deploy: refusing, connecting, fetching, caching, asking."""
