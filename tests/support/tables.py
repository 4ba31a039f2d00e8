"""Training tables without content, from ids, groups and languages."""

from hybridir.data.pairs import COLUMNS, Pairs


def table(*rows: tuple[str, str, str]) -> Pairs:
    """Rows of (question id, passage group, language); a group has one passage in a language."""
    ids, groups, codes = ([row[column] for row in rows] for column in range(3))
    return Pairs(
        ids,
        groups,
        codes,
        question=[f"question {row[0]} {row[2]}" for row in rows],
        passage=[f"passage {row[1]} {row[2]}" for row in rows],
    )


def as_rows(pairs: Pairs) -> list[tuple[str, ...]]:
    """The rows in the columns that every table has."""
    return list(zip(*(getattr(pairs, column) for column in COLUMNS), strict=True))
