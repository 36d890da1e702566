"""The filter's rules: one file each, with a constant `FILTER`."""
