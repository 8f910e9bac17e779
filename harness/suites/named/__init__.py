"""What names stand for: tasks, groups, tags and suites; and why a file is none of them."""
