"""Learning from a stream that drifts, read once, against learning from all of it at once."""
