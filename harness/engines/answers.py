"""Log-probabilities -> a response, or why there is none."""
