"""Data sets in their published formats, as uint8 tensors, and batched augmentation."""
