"""Whether data and nodes can run a study, before its first trial."""
