"""An electronics shop's clickstream, with faults of known date."""
