"""Tables on a terminal, of which no figure is cut."""

from rich import box
from rich.console import Console
from rich.table import Table

_WIDEST = 10_000  # columns; no table has as many


def print_whole(console: Console, table: Table) -> None:
    """Print a table; one that does not fit first loses its frame, then the terminal breaks lines.

    Args:
        console: to print to.
        table: whose headings and texts may be broken between words.
    """
    terminal = console.width
    needed = _narrowest(console, table)
    if needed > terminal:
        table.box, table.show_edge, table.pad_edge = box.SIMPLE_HEAD, False, False
        table.padding = (0, 0)  # a blank column is left between two columns
        needed = _narrowest(console, table)
    # Rich cuts what is wider than the console, whatever width it is told.
    console.width = max(terminal, needed)
    console.print(table, crop=False)
    console.width = terminal


def _narrowest(console: Console, table: Table) -> int:
    options = console.options.update(max_width=_WIDEST)
    # Rich's sum leaves edges out.
    return console.measure(table, options=options).minimum + len(table.columns)
