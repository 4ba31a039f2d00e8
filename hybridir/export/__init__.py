"""The best encoder of a study, for others: selected, described, copied, uploaded."""
