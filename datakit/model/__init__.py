"""What a dataset is made of, as plain values: items, records, locks, stages, merges. No disk, no clock."""
