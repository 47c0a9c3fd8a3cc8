"""Speed and memory of this library beside other spiking frameworks; see README.md in this folder."""
