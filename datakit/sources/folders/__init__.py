"""What lies on disk: folders with their files, archives read as folders, frames, documents; which image is meant."""
