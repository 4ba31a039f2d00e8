"""Tables on a terminal, of which no figure is cut."""

from rich.console import Console
from rich.table import Table

_WIDEST = 10_000  # columns; no table has as many


def print_whole(console: Console, table: Table) -> None:
    """Print a table; where its words and figures do not fit, the terminal breaks its lines.

    Args:
        console: to print to.
        table: whose headings and texts may be broken between words.
    """
    terminal = console.width
    needed = console.measure(table, options=console.options.update(max_width=_WIDEST)).minimum
    needed += len(table.columns)  # Rich's sum leaves edges out
    # Rich cuts what is wider than the console, whatever width it is told.
    console.width = max(terminal, needed)
    console.print(table, crop=False)
    console.width = terminal
