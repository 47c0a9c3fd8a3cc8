"""What a value is: strict JSON, kinds that are found in folders, checks of fields."""
