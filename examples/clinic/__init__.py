"""A medical-aesthetics chain, generated."""
