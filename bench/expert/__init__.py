"""A pair's usual keepalived, to be drilled beside Tandem's."""
