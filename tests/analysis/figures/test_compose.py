from typing import Any

import altair as alt
import pandas as pd

from analysis.figures import compose
from analysis.page import draw

POINTS = pd.DataFrame({"x": [1, 2, 3], "y": [2.0, 1.0, 4.0]})


def nested(functions: Any) -> dict[str, Any]:
    """Columns of rows of panels of layers, two of everything, made by a module's functions."""
    base = alt.Chart(POINTS).encode(x="x:Q", y="y:Q")
    line, dots = base.mark_line(), alt.Chart(POINTS[:2]).mark_point().encode(x="x:Q", y="y:Q")

    def panel(title: str) -> Any:
        return functions.layer(line, dots, title=title).properties(width=120, height=80)

    row = functions.hconcat(panel("a"), panel("b"), spacing=9)
    grid = functions.concat(panel("c"), panel("d"), panel("e"), columns=2)
    drawn: dict[str, Any] = functions.vconcat(row, grid).resolve_scale(y="independent").to_dict()
    return drawn


def test_charts_that_are_put_together_are_drawn_as_by_altair() -> None:
    assert draw.svg(nested(compose)) == draw.svg(nested(alt))


def test_the_charts_that_are_put_together_are_not_copied() -> None:
    chart = alt.Chart(POINTS).mark_point().encode(x="x:Q")
    for key in ("layer", "hconcat", "vconcat", "concat"):
        # Nor where a property is added, for which Altair makes the outer chart anew.
        joined = getattr(compose, key)(chart, chart).properties(title="both")
        assert len(joined[key]) == 2
        assert all(part is chart for part in joined[key])
