"""Models over tasks -> records, here or over a cluster."""
