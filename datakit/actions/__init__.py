"""The verbs of dsk, shared by every front end: they join repo, stages, lint, sources, exports and the trainer."""
