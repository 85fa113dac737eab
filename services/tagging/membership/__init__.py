"""Who is a member of what, as bitmaps of numbered people: pure, for one tenant and one partition of the tags log."""
