"""The CPU's kernels in C++, and their registration with PyTorch."""
