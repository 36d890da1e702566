"""The formats: one file each, each with its settings `[export.<name>]`."""
