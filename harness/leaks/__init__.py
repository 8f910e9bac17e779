"""Does what a model was made from hold the items it is tested on?"""

__all__ = ["check", "index", "report"]
