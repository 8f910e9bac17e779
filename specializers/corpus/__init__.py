"""Passages on disk: built from files, read by offset."""
