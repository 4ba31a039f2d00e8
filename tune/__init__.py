"""Studies: a search over trials, a confirmation, a report. Run from the checkout."""
