"""What the profile service answers: portraits, now and as of then, and timelines; each of a whole person."""
