"""How sure a number is: items resampled by document, paired tests, corrections."""

__all__ = [
    "averages",
    "columns",
    "contrasts",
    "decompose",
    "groups",
    "missing",
    "opened",
    "resampling",
    "scores",
    "sheet",
    "simultaneous",
]
