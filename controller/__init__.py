"""What happens on the controller for a deploy: preflight, connections, sources, builds, facts."""
