"""Optuna <-> Ray: proposals, early stops, warm starts."""
