"""What the machines of a routed cluster are asked besides."""
