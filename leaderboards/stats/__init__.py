"""How sure a number is: items resampled by document, paired tests, corrections."""
