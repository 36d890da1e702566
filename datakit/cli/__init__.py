"""The command line: words in, tables and messages out. Everything it does is an action's work."""
