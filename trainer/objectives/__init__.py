"""What a network learns to say about a noisy picture; one module each, with an `OBJECTIVE`."""
