"""P-values, Holm's correction, detectable size, ranks."""
