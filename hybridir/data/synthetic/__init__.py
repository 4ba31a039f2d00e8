"""The synthetic corpus: facts of a made-up world in pseudo-languages."""
