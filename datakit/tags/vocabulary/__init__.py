"""What is known of tags: lists of them with categories, aliases and implications. Pure."""
