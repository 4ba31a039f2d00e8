"""Texts end to end instead of padded: layout, attention, dropout, kernels for CPU and GPU."""
