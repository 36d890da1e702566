"""How base models want their prompts: a data file each, and what is made of it. Pure."""
