"""A stage's run: what changed, what the function makes of it, and the merge with what people did."""
