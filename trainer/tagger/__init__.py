"""Trains a small multi-label tagger from captioned pictures, and writes it in the form of the WD taggers."""
