"""The drive of a study, from its start to its report."""
