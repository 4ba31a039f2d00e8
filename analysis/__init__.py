"""From a study in MLflow to tables, intervals, figures and a report; run from the checkout."""
