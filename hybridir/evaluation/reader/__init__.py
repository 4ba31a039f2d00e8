"""Answers read from the paragraph that retrieval puts first, and how right they are."""
