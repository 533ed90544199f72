"""Another run of pyinfra than the test's own: beside it, or with less patience."""
