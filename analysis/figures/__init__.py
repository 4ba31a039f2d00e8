"""One figure per module: ``_get_x_info`` computes, ``_draw_x`` draws, ``plot_x`` does both."""
