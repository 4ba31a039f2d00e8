"""Training tables on the Hugging Face hub, at a pinned revision."""

from hybridir.data.pairs import Pairs
from hybridir.data.readers.rows import Row
from hybridir.data.readers.table import ALL_COLUMNS, OPTIONAL, usable_pairs
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting


def load_hub_table(
    id: str,
    revision: str,
    subset: str | None,
    split: str,
    columns: dict[str, str],
    languages: LanguageSetting | None,
    skip_bad: bool,
) -> Pairs:
    """Load a training table with `datasets`; no remote code is run.

    A second call reads the cache of `datasets`.

    Args:
        id: ``owner/name`` on the hub, or a local folder.
        revision: commit that pins the data.
        subset: name of the configuration, if there are several.
        split: name of the split.
        columns: name in `hybridir.data.readers.table.ALL_COLUMNS` -> name in the data set, for
            those that differ.
        languages: see `hybridir.languages.LanguageSetting`; all if None.
        skip_bad: drop bad rows and log how many, instead of stopping at them.

    Returns:
        The usable rows, in their order.

    Raises:
        InputError: if the data cannot be had, a column is missing, or rows are bad; see
            `hybridir.data.readers.table.load_table`.
    """
    # 1 s to import, which most studies need not spend.
    import datasets

    datasets.disable_progress_bars()
    try:
        table = datasets.load_dataset(id, subset, split=split, revision=revision)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"data set {id!r} at revision {revision!r} cannot be loaded: {reason}"
        ) from None
    unknown = sorted(columns.keys() - set(ALL_COLUMNS))
    if unknown:
        raise InputError(
            f"data set {id!r}: columns names {', '.join(unknown)}; legal are "
            f"{', '.join(ALL_COLUMNS)}"
        )
    source = {column: columns.get(column, column) for column in ALL_COLUMNS}
    missing = [
        name
        for column, name in source.items()
        if name not in table.column_names and column not in OPTIONAL
    ]
    if missing:
        raise InputError(
            f"data set {id!r}: no column {', '.join(missing)}; found "
            f"{', '.join(table.column_names)}; train.hub.columns maps names"
        )
    try:
        rows: list[Row] = [
            (number, {column: fields.get(name) for column, name in source.items()})
            for number, fields in enumerate(table, start=1)
        ]
    except UnicodeDecodeError as error:
        raise InputError(
            f"data set {id!r} at revision {revision!r}: a text is not UTF-8 ({error}); "
            "load the data set again, or take another revision"
        ) from None
    except (ValueError, OverflowError) as error:  # a date that Python has not
        raise InputError(
            f"data set {id!r} at revision {revision!r}: a value cannot be read ({error}); take "
            "another revision, or leave the column out"
        ) from None
    return usable_pairs(f"data set {id!r}", "row", rows, languages, skip_bad)
