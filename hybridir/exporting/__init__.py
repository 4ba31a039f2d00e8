"""A trained encoder as a folder for others, with a card that carries its study's figures."""
