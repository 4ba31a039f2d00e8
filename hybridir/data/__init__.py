"""Where training pairs and benchmarks come from, and how they are prepared."""
