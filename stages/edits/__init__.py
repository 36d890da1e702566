"""What `edited` can do to an image: one file each, with a constant `EDIT`."""
