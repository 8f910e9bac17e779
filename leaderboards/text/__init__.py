"""A board as text: terminal, Markdown, JSON, CSV, LaTeX."""
