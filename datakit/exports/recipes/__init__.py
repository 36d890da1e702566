"""How to train a kind of model: what starter configs of all trainers, and dsk bake, are made from."""
