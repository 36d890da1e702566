"""Where images come from: one file per scrape format, each with a constant `SOURCE`."""
