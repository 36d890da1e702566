"""The oven: trains an adapter on a folder of captioned pictures and saves it as one file.

It reads the dataset TOML of sd-scripts, whoever wrote it, and knows nothing of how the folder came to be.
A run joins one family (which network), one objective (what it learns) and one adapter (which weights are
new); none of the three knows another. `python -m trainer --help` says what it can do.
"""
