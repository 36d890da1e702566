"""Takes configurations of other trainers over."""
