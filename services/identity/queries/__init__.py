"""What the identity service answers: whom identifiers name, who somebody is or was, why, and what would change."""
