from pathlib import Path

import altair as alt
import pandas as pd

from analysis.contents import Figure, Section, Table
from analysis.export import export, to_markdown


def test_every_figure_and_table_becomes_its_files(tmp_path: Path) -> None:
    data = pd.DataFrame({"x": [1, 2], "y": [0.25, None]})
    chart = alt.Chart(data).mark_point().encode(x="x:Q", y="y:Q")
    table = Table("numbers", data, {"x": "shown"}, "A caption.")
    section = Section("S", figures=[Figure("points", chart.to_dict(), "C")], tables=[table])
    files = {path.relative_to(tmp_path).as_posix(): path for path in export([section], tmp_path)}
    assert {
        "figures/points.svg": b"<svg",
        "figures/points.png": b"\x89PNG",
        "figures/points.pdf": b"%PDF",
        "tables/numbers.csv": b"x,y\n",
        "tables/numbers.md": b"| shown |",
    } == {name: _start(path) for name, path in files.items()}
    pd.testing.assert_frame_equal(pd.read_csv(files["tables/numbers.csv"]), data)
    on_disk = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert on_disk == set(files), "nothing half written stays behind"


def _start(path: Path) -> bytes:
    known = (b"<svg", b"\x89PNG", b"%PDF", b"x,y\n", b"| shown |")
    return next((start for start in known if path.read_bytes().startswith(start)), b"")


def test_markdown_aligns_numbers_and_escapes_bars() -> None:
    table = pd.DataFrame({"name": ["a|b", None], "value": [0.123456789, None]})
    assert to_markdown(table) == (
        "| name | value |\n| --- | ---: |\n| a\\|b | 0.123457 |\n|  |  |\n"
    )
