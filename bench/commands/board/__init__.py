"""`bench board`: one file a part."""
