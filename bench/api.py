"""Their bodies; each opens a workspace."""
