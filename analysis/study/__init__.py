"""A recorded study: read from MLflow, aligned as arrays, cached for the next report."""
