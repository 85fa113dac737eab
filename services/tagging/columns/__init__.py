"""What is kept of people, in columns over numbered people: a condition is answered for all of them at once."""
