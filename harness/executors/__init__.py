"""Where a run's parts are done: in this process, or on the nodes of a Ray cluster."""

__all__ = ["base", "floors", "processes", "ray"]
