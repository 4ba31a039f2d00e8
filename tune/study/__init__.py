"""The study file, and the trials that follow from it."""
