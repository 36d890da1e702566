"""How a lint report is written, for programs and for people: one file for each format, with a constant `FORMAT`."""
