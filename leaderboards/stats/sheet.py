"""Many models on the items of one task, aligned."""
