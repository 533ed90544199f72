"""A pair's usual keepalived configuration, drilled beside Tandem's."""
