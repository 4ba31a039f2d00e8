"""Ids and texts of one file of passages or queries, in the forms in which they are published.

JSONL, Parquet, or two columns of a text file: id and text, with a header or without, between tabs.
Ids and texts are known under the names of BEIR, MTEB, MIRACL, Pyserini and ir_datasets.
"""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from hybridir.data.readers.qrels import BadRow, id_of, text_of
from hybridir.data.readers.rows import BadRows, BrokenFile, UnknownForm, read_lines, read_rows

# The first that a row has is taken.
_IDS: Final = (
    *("_id", "id", "docid", "doc_id", "docno", "pid", "passage_id", "document_id", "corpus-id"),
    *("corpus_id", "qid", "query_id", "query-id"),
)
PASSAGES: Final = ("text", "contents", "content", "passage", "body", "document")
QUERIES: Final = ("text", "query", "question")


class TextFiles:
    """Texts of several files, by their ids.

    Args:
        names: names of the text, `PASSAGES` or `QUERIES`; passages have titles.
        skip_bad: leave bad rows out and log them. The last of two texts of one id counts then, as
            in BEIR's reader.

    Attributes:
        texts: id -> text; "" for a passage or query without text.
        repeated: rows that were there before, word for word.
        bad: rows left out.
    """

    def __init__(self, names: Sequence[str], skip_bad: bool) -> None:
        self._names = names
        self._skip_bad = skip_bad
        self.texts: dict[str, str] = {}
        self.repeated = self.bad = 0

    def read(self, path: Path) -> None:
        """Add the texts of a file.

        Raises:
            InputError: if the file cannot be read to its end, or a row is bad: malformed, without
                an id, or with another text than an earlier one of its id.
        """
        bad = BadRows(path)
        for number, fields in _rows(path, self._names):
            try:
                if isinstance(fields, str):
                    raise BadRow(fields)
                name = _first_name(fields, _IDS) or _IDS[0]
                key, text = id_of(name, fields.get(name)), self._text(fields)
                before = self.texts.get(key)
                self.texts[key] = text
                if before not in (None, text):
                    raise BadRow(f"{name} {key!r} is already there, with another text")
                self.repeated += before == text
            except BadRow as error:
                bad.add(number, error.reason)
        self.bad += bad.report(self._skip_bad)

    def _text(self, fields: Mapping[str, object]) -> str:
        """A passage after its title, as in BEIR; a query before its instruction, as in MTEB."""
        name = next((name for name in self._names if name in fields), None)
        if name is None:
            keys = reprlib.repr(" ".join(map(str, fields)))
            raise BadRow(f"no {self._names[0]} among its keys {keys}")
        text = _text_or_nothing(name, fields[name])
        if self._names is QUERIES:
            instruction = _text_or_nothing("instruction", fields.get("instruction"))
            return f"{text} {instruction}" if instruction else text
        title = _text_or_nothing("title", fields.get("title"))
        return f"{title} {text}".strip()


def _first_name(fields: Mapping[str, object], names: Sequence[str]) -> str | None:
    return next((name for name in names if fields.get(name) is not None), None)


def _text_or_nothing(name: str, value: object) -> str:
    """A text, "" for null or for one that is blank."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    return text_of(name, value)


def _rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, dict[str, object] | str]]:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".jsonl", ".parquet")):
        yield from read_rows(path)
        return
    columns: Sequence[str] = ()
    for number, line in read_lines(path):
        if isinstance(line, BrokenFile):
            yield number, line
            return
        if not columns:
            columns = [field.strip().lower() for field in line.split("\t")]
            if set(columns) & set(_IDS) and set(columns) & set(names):
                continue
            columns = (_IDS[0], names[0])
            if "\t" not in line:
                reason = f"no tab in {reprlib.repr(line)}; expected an id, a tab and a text"
                yield number, UnknownForm(reason)
                return
        values = line.split("\t", len(columns) - 1)
        if len(values) == len(columns):
            yield number, dict(zip(columns, values, strict=True))
        else:
            yield number, f"{len(values)} fields between tabs, not {len(columns)}"
