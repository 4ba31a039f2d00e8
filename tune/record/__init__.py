"""Records of a study: MLflow, environment, accounting."""
