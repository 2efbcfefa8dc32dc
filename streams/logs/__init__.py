"""Where a stream's events are kept: in the producing worker's memory, and in Redis for the rest."""
