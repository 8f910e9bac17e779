"""What a run needs and takes, told before it is run."""

__all__ = ["footprint", "gpus", "machine", "requests", "throughput", "trying"]
