"""One figure a module: ``_get_x_info`` computes, ``_draw_x`` draws, ``x`` does both."""
