"""A reader, made or loaded: its answers from the first paragraph, and how right they are."""
