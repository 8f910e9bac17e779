"""A board as static pages, without server or network."""
