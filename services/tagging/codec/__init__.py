"""Between the wire and the domain: the only translation."""
