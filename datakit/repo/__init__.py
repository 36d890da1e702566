"""The dataset as a git repository: opening, scanning, atomic operations, history, stage transitions."""
