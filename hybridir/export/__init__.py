"""The best encoder of a study, for others: chosen, described, copied, uploaded."""
