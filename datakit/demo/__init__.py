"""The demonstration: a small scrape of drawn characters with known faults, and the user's commands run on it."""
