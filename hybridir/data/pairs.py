"""The training table: a question and its passage per row, mostly in the same language."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hybridir.languages import Spellings, code_problem
from hybridir.names import CLUSTER

COLUMNS = ("question_id", "passage_group", "language", "question", "passage")
# Only tables with passages in another language than their questions have it.
PASSAGE_LANGUAGE = "passage_language"
# Of readers whose rows hang together beyond their passage groups; no file has it.
SPLIT_GROUP = "split_group"
# Column that a table may lack -> the column whose values it has then.
DEFAULTS = {PASSAGE_LANGUAGE: "language", CLUSTER: "passage_group", SPLIT_GROUP: "passage_group"}
# Columns whose values mean nothing in another data set.
_IDS = ("question_id", "passage_group", CLUSTER, SPLIT_GROUP)
# Control and format characters, separators.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# Characters of other categories without a glyph: fillers, the empty pattern of Braille, the
# grapheme joiner, variation selectors.
_INVISIBLE = frozenset(
    (*"\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5", *map(chr, range(0xFE00, 0xFE10)))
)


@dataclass(frozen=True)
class Pairs:
    """The training table, column by column; every column has one entry per row.

    Attributes:
        question_id: shared by the translations of one question, and in each language by the rows
            of its passages.
        passage_group: shared by passages that must never be negatives of each other:
            translations of one passage, and passages that answer the same question.
        language: code of the question's language, and of the passage's unless `passage_language`
            says otherwise.
        question: text of the question.
        passage: text of the passage that answers it.
        passage_language: codes of the passages' languages; None if each is its question's.
        cluster: shared by questions that are not independent of each other, such as those on one
            article; None if each is the passage group. See `Benchmark.clusters`.
        split_group: shared by rows that must lie on one side of a split, such as those of one
            paragraph; None if each is the passage group. Two columns, since sentences of one
            paragraph are the hardest negatives of a batch.

    Two questions, the first of them also in German:

    >>> from hybridir import Pairs
    >>> pairs = Pairs(
    ...     question_id=["q1", "q1", "q2"],
    ...     passage_group=["p1", "p1", "p2"],
    ...     language=["en", "de", "en"],
    ...     question=["Who wrote Faust?", "Wer schrieb Faust?", "Where is Weimar?"],
    ...     passage=["Goethe wrote Faust.", "Goethe schrieb Faust.", "Weimar is in Thuringia."],
    ... )
    >>> len(pairs), pairs.languages
    (3, ('de', 'en'))
    """

    question_id: Sequence[str]
    passage_group: Sequence[str]
    language: Sequence[str]
    question: Sequence[str]
    passage: Sequence[str]
    passage_language: Sequence[str] | None = None
    cluster: Sequence[str] | None = None
    split_group: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Leave out a column that repeats another, so that tables of equal content are equal."""
        for column, default in DEFAULTS.items():
            values = getattr(self, column)
            if values is not None and list(values) == list(getattr(self, default)):
                object.__setattr__(self, column, None)

    def __len__(self) -> int:
        return len(self.question_id)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that the table has."""
        return (*COLUMNS, *(column for column in DEFAULTS if getattr(self, column) is not None))

    def filled(self, column: str) -> Sequence[str]:
        """The values of a column; if the table lacks it, those of the column in its place."""
        values: Sequence[str] | None = getattr(self, column)
        return self.filled(DEFAULTS[column]) if values is None else values

    @property
    def passage_languages(self) -> Sequence[str]:
        """The language of each row's passage."""
        return self.filled(PASSAGE_LANGUAGE)

    @property
    def clusters(self) -> Sequence[str]:
        """The cluster of each row's question."""
        return self.filled(CLUSTER)

    @property
    def split_groups(self) -> Sequence[str]:
        """The group of each row that lies on one side of a split."""
        return self.filled(SPLIT_GROUP)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of questions and passages, sorted."""
        return tuple(sorted({*self.language, *self.passage_languages}))

    def respelled(self, spell: Spellings) -> "Pairs":
        """Spell languages as earlier data do."""
        columns = (self.language, self.passage_languages)
        codes = dict.fromkeys(code for row in zip(*columns, strict=True) for code in row)
        return self.with_codes({code: spell(code) for code in codes})

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the columns that are trained on, row by row, as 64 hexadecimal digits.

        Clusters and split groups are left out: the first change no weight, and the second say
        which rows are there, no more.
        """
        sha = hashlib.sha256()
        columns = [column for column in self.columns if column not in (CLUSTER, SPLIT_GROUP)]
        for row in zip(*(getattr(self, column) for column in columns), strict=True):
            for text in row:
                encoded = text.encode()
                sha.update(len(encoded).to_bytes(4, "big") + encoded)
        return sha.hexdigest()

    def select(self, rows: Iterable[int]) -> "Pairs":
        """Take some rows, in the order of `rows`."""
        rows = list(rows)
        return Pairs(
            **{column: [getattr(self, column)[row] for row in rows] for column in self.columns}
        )

    def with_codes(self, names: Mapping[str, str]) -> "Pairs":
        """Call languages by other codes; those that `names` lacks keep theirs."""
        languages, passage_languages = (
            [names.get(code, code) for code in column]
            for column in (self.language, self.passage_languages)
        )
        return replace(self, language=languages, passage_language=passage_languages)

    def in_languages(self, languages: Iterable[str]) -> "Pairs":
        """Keep the rows whose question and passage are both in one of some languages."""
        chosen = set(languages)
        return self.select(
            row
            for row, codes in enumerate(zip(self.language, self.passage_languages, strict=True))
            if chosen.issuperset(codes)
        )


def concatenate(tables: Sequence[Pairs], *, number_ids: bool = True) -> Pairs:
    """Put the tables of several data sets one after another.

    Args:
        tables: a single one is returned as it is.
        number_ids: put the number of its table in front of each question id, passage group,
            cluster and split group, so that equal ones of two data sets stay different.
    """
    if len(tables) == 1:
        return tables[0]
    present = {column for table in tables for column in table.columns}
    columns: dict[str, list[str]] = {
        column: [] for column in (*COLUMNS, *DEFAULTS) if column in present
    }
    for number, table in enumerate(tables, start=1):
        for column, texts in columns.items():
            values = table.filled(column)
            if number_ids and column in _IDS:
                numbered = {text: f"{number}/{text}" for text in values}  # one string for each id
                values = [numbered[text] for text in values]
            texts.extend(values)
    return Pairs(**columns)


def row_problems(pairs: Pairs) -> list[tuple[int, str]]:
    """Find the rows that cannot be trained on.

    A question may have several rows in one language: one for each passage that answers it.

    Returns:
        (row, reason) for each text without a visible character, illegal language code, half of a
        surrogate pair, which no file can hold, and id that has another question in the same
        language; at most one reason a row, in row order.
    """
    problems: list[tuple[int, str]] = []
    questions: dict[tuple[str, str], str] = {}
    for row in range(len(pairs)):
        texts = {column: getattr(pairs, column)[row] for column in pairs.columns}
        if problem := text_problem(texts):
            problems.append((row, problem))
            continue
        key, code, question = texts["question_id"], texts["language"], texts["question"]
        first = questions.setdefault((key, code), question)
        if first != question and first.split() != question.split():
            problems.append(
                (row, f"question {key!r} has another text in {code!r} already: {first[:60]!r}")
            )
    return problems


def text_problem(texts: Mapping[str, str]) -> str | None:
    """Why the texts of a row cannot be used; None if they can.

    Args:
        texts: column -> text; languages are in ``language`` and ``passage_language``.
    """
    empty = [column for column, text in texts.items() if not is_visible(text)]
    if empty:
        return f"empty {' and '.join(empty)}"
    for code in (texts["language"], texts.get(PASSAGE_LANGUAGE, texts["language"])):
        if problem := code_problem(code):
            return problem
    if broken := [column for column, text in texts.items() if not is_unicode(text)]:
        return f"half of a surrogate pair in {' and '.join(broken)}"
    return None


def is_visible(text: str) -> bool:
    """Whether a text has a character that can be seen.

    Blanks of every width, marks of direction, joiners and other control characters cannot.

    >>> is_visible("\u200b \ufeff"), is_visible("\u200bA")
    (False, True)
    """
    return "!" <= text[:1] <= "~" or any(  # the quick answer to most
        unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        and character not in _INVISIBLE
        for character in text
    )


def is_unicode(text: str) -> bool:
    """Whether a text can be written: JSON's escapes may name half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shared_questions(pairs: Pairs) -> Pairs:
    """Keep the questions that exist, with a passage in their language, in at least two languages.

    With these alone, monolingual and cross-lingual batches draw from the same questions, so that
    the mixing ratio is not confounded with the data. Rows that cross languages by themselves are
    left out: no monolingual batch could have them.
    """
    shared = _are_shared(pairs)
    return pairs.select(row for row, is_shared in enumerate(shared) if is_shared)


def unshared_questions(pairs: Pairs) -> Pairs:
    """The rows that `shared_questions` leaves out."""
    shared = _are_shared(pairs)
    return pairs.select(row for row, is_shared in enumerate(shared) if not is_shared)


def _are_shared(pairs: Pairs) -> list[bool]:
    monolingual = [
        question == passage
        for question, passage in zip(pairs.language, pairs.passage_languages, strict=True)
    ]
    versions = {
        (key, language)
        for key, language, alike in zip(
            pairs.question_id, pairs.language, monolingual, strict=True
        )
        if alike
    }
    languages = Counter(key for key, _ in versions)
    return [
        alike and languages[key] > 1
        for key, alike in zip(pairs.question_id, monolingual, strict=True)
    ]
