"""What several rules ask of a collection: its pictures, names, buckets, tags, triggers."""
