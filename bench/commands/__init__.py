"""One file a command: NAME, HELP, options(parser) and call(args) -> exit code."""
