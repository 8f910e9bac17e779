"""What a run needs and takes, told before it is run."""
