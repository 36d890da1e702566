"""What can be measured of an image's pixels and of its file, each at a small part of the cost of decoding it."""
