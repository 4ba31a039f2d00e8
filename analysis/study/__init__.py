"""What a study recorded: read from MLflow, laid out as arrays, kept for the next report."""
