"""tandem-watch: tells keepalived what this node's nginx is worth."""
