"""A study for a paper in two columns: figures, tables and a paragraph of method."""
