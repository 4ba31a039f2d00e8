"""The embedded corpus: an ontology told in pseudo-languages."""
