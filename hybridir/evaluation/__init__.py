"""From ranks to figures.

This file imports nothing, since the analysis reads single modules of the folder without torch.
"""
