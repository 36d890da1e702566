"""Tags: their canonical names, the captions that hold them, the prompts made of them. Pure functions of text."""
