"""Questions to the history: an item's log, its lives, where a tag came from, what differs between two states."""
