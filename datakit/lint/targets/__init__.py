"""The trainers that lint knows: one file each, with a constant `TARGET`."""
