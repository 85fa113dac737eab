"""Questions about people, answered by Portrait's conditions and, independently, by SQL."""
