"""Finding items: an index of each stage's captions and records, kept in `.dsk/find`; deleting it loses only time."""
