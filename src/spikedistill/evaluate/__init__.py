"""What a trained network can do: accuracy at every time step."""
