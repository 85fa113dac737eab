"""Small services for a stack under test."""
