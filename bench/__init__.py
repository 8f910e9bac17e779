"""The roof: the command line and the functions a notebook calls, over the four packages."""
