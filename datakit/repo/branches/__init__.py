"""Branches, their merge, and other copies of the dataset."""
