"""The driver of a study, from its start to its report."""
