"""Tasks that the domain's text gives by itself: no model writes them."""

__all__ = ["chosen", "patterns"]
