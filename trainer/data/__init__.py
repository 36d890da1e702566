"""Pictures and captions: from the dataset TOML to batches of latents."""
