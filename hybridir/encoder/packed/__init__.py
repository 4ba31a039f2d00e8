"""Texts end to end instead of padded: their layout, attention and dropout, and kernels for CPU and GPU."""
