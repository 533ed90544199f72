"""A person's own pieces of nginx's configuration, at every level, and the files that they need."""
