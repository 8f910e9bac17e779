"""A board as text: terminal, Markdown, JSON, CSV, LaTeX."""

__all__ = ["escape", "grids", "marks", "render", "verdict"]
