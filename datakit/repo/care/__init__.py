"""Reading every byte again: what is damaged, and what heals it."""
