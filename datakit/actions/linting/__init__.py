"""dsk lint: what is asked, of which files, and how it is told."""
