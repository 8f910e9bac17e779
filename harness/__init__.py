"""Run registered models over registered task suites and record what they answered."""
