"""Files that other programs read: their names, their metadata."""
