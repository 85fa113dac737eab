"""The tables of tagging, as one transaction of one tenant sees them."""
