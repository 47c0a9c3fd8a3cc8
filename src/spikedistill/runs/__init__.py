"""A recipe in its folder: train it, open it, evaluate it again, and what its numbers depend on."""
