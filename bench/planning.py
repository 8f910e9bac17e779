"""A run counted by its own code: requests, memory, time."""
