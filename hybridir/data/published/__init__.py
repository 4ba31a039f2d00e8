"""Published training data: declared at a pinned commit, downloaded, converted to a table."""
