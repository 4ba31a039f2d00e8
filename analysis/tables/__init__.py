"""Tidy tables: one row an observation, ready for a figure, a CSV file or a page."""
