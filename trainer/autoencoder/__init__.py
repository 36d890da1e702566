"""Trains the networks that turn pictures into latents and back."""
