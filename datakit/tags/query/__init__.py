"""The query language: words, their grammar, and what a query finds. Pure."""
