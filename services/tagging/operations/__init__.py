"""What takes longer than a call: counting everybody, and writing files."""
