"""The study: a search over trials, then a confirmation, then a report. Run from the checkout."""
