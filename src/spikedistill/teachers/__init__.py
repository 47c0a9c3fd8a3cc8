"""Ways to teach: networks as teachers, and what they have said, stored."""
