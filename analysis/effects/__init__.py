"""Effects of the searched parameters on the development figure."""
