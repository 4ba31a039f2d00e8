"""Texts that the training data share with a benchmark."""
