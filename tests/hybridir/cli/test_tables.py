import io

import pytest
from rich.console import Console
from rich.table import Table

from hybridir.cli.tables import print_whole


@pytest.mark.parametrize("width", [20, 60, 81, 120])
def test_no_word_or_figure_of_a_table_is_cut(width: int) -> None:
    headings = ("mAP", "F1 at R", "MRR", "nDCG@10", "recall@1", "recall@10", "hit@1")
    table = Table(title="means over languages")
    table.add_column("setting")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_row("cross-lingual", *(f"0.{number}234" for number in range(7)))
    out = io.StringIO()
    console = Console(file=out, width=width)
    print_whole(console, table)
    words = set(out.getvalue().split())
    assert {"cross-lingual", "recall@10", "F1", *(f"0.{n}234" for n in range(7))} <= words
    assert console.width == width


def test_a_table_without_room_for_its_frame_goes_without() -> None:
    out = io.StringIO()
    for width in (58, 60):  # 13 columns, and five times a blank and 8; 77 with a frame
        table = Table("setting", *("recall@1" for _ in range(5)))
        table.add_row("cross-lingual", *("0.1234" for _ in range(5)))
        print_whole(Console(file=out, width=width), table)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) == 13 + 5 * (1 + 8)
    assert "│" not in out.getvalue()
