"""A check of the engine on a machine with a GPU and no network, in ten minutes; see README.md."""
