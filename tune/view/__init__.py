"""Views of a study for its user: output, status, commands."""
