"""What is written about a study: MLflow, environment, truth."""
