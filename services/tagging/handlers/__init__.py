"""What can be asked to change: definitions, and what is said by hand."""
