"""What trainers eat: one file per dataset format, each with a constant `EXPORT`."""
