"""Images: decoded in one place and under limits, measured, and converted to what trainers expect."""
