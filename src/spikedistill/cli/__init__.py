"""The command line: a command each for training, evaluating, listing and citing."""
