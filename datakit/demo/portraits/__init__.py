"""Portraits whose tags are known because they were drawn: styles, looks, pictures."""
