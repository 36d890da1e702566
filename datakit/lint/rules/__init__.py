"""The lint rules, one file each; a module's docstring is the rule's public page."""
