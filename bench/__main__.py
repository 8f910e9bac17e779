"""`python -m bench`."""
