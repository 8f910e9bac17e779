"""What names stand for: tasks, groups, tags and suites; and why a file is none of them."""

__all__ = ["catalogue", "faults", "groups", "rows"]
