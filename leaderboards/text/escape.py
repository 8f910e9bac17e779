"""Text that cannot hide, reorder or run."""
