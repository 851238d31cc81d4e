"""Fair samples of streams that are too long to keep, for pictures."""
