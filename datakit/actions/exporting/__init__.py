"""dsk export: what is asked, what is made of it, and where it is written."""
