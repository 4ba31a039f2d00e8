"""Forecast of a study's time, memory, disk and cost, from a measured probe."""
