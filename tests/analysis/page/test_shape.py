"""Figures for a phone."""

import altair as alt
import pandas as pd

from analysis.page.shape import reshaped


def test_panels_that_move_below_each_other_keep_the_title_of_their_row() -> None:
    data = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 1.0]})
    panels = [
        alt.layer(
            alt.Chart(data).mark_line().encode(x="a:Q", y=alt.Y("b:Q", title=title)),
            alt.Chart(data).mark_point().encode(x="a:Q", y=alt.Y("b:Q", title="own")),
        ).properties(width=200, height=100)
        for title in ("mAP", None, None)
    ]
    wide = alt.hconcat(*panels).to_dict()
    wide["hconcat"][2]["layer"].insert(0, {"mark": "rule", "encoding": {}})
    narrow = reshaped(wide, 660, 300)
    titles = [
        [layer["encoding"]["y"]["title"] for layer in panel["layer"] if layer["encoding"]]
        for panel in narrow["vconcat"]
    ]
    assert titles == [["mAP", "own"]] * 3
    assert wide["hconcat"][1]["layer"][0]["encoding"]["y"]["title"] is None, "the wide one stays"
