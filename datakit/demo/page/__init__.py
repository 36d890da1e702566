"""The page that the demonstration ends with: one HTML file that shows what became of the dataset, without a network."""
