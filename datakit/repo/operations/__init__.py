"""One command, one commit: the transaction, its step of HEAD, the log, undo, and hand edits as operations."""
