"""Built in, configured, installed -> registry, suites."""
