"""The training loop and the state that it changes."""
