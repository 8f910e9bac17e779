"""The transformers engine: every distinct token of a job computed once."""
