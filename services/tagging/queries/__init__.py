"""What can be asked: who has which tags, why, and what a definition would change."""
