"""What is changed x what is asked again, shown or refused: a table, its tests, its page."""
