"""NGX: what nginx is made of, what it serves, and how it runs."""
