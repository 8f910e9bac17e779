"""Other harnesses' formats of results: one file a format."""
