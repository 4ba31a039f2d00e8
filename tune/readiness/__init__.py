"""Checks of data and nodes before the first trial."""
