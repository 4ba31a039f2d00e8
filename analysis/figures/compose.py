"""Charts put together from charts, without Altair's copies of them.

Altair's own functions copy every chart that they are given, again at each level at which charts
stand in others, which took half of the time of a figure. The copies keep selections of several
charts apart; no figure here has one.
"""

from typing import Any

import altair as alt
from altair.vegalite.v6.schema import core


class _Layers(alt.LayerChart):
    def __init__(self, **parts: Any) -> None:
        core.TopLevelLayerSpec.__init__(self, **parts)


class _Row(alt.HConcatChart):
    def __init__(self, **parts: Any) -> None:
        core.TopLevelHConcatSpec.__init__(self, **parts)


class _Column(alt.VConcatChart):
    def __init__(self, **parts: Any) -> None:
        core.TopLevelVConcatSpec.__init__(self, **parts)


class _Grid(alt.ConcatChart):
    def __init__(self, **parts: Any) -> None:
        core.TopLevelConcatSpec.__init__(self, **parts)


def layer(*charts: alt.TopLevelMixin, **properties: Any) -> alt.LayerChart:
    """Put charts on one panel, the first one undermost, as `altair.layer` does."""
    return _Layers(layer=list(charts), **properties)


def hconcat(*charts: alt.TopLevelMixin, **properties: Any) -> alt.HConcatChart:
    """Put charts side by side, as `altair.hconcat` does."""
    return _Row(hconcat=list(charts), **properties)


def vconcat(*charts: alt.TopLevelMixin, **properties: Any) -> alt.VConcatChart:
    """Put charts below each other, as `altair.vconcat` does."""
    return _Column(vconcat=list(charts), **properties)


def concat(*charts: alt.TopLevelMixin, **properties: Any) -> alt.ConcatChart:
    """Put charts into rows of ``columns`` panels, as `altair.concat` does."""
    return _Grid(concat=list(charts), **properties)
