"""XQuAD-R and MLQA-R: questions whose answer is one sentence among all sentences of a data set.

Every sentence of every paragraph is a candidate, identical ones included. The gold sentence of a
question is the first that holds the first character of its answer. These rules give the published
counts of questions and candidates.

Source: Roy et al. 2020, "LAReQA: Language-agnostic answer retrieval from a multilingual pool",
arXiv 2004.05484, section 2.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hybridir.data.benchmark import AnsweredQuestion, Benchmark, Reading, build_benchmark
from hybridir.data.development import Development
from hybridir.data.pairs import Pairs, is_unicode, is_visible
from hybridir.data.passage_groups import connected_questions, joined
from hybridir.data.readers.rows import shortened
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting, Spellings, check_languages, code_problem


@dataclass(frozen=True, slots=True)
class _Question:
    question_id: str
    language: str
    text: str
    gold: str  # text of the gold sentence
    relevant: tuple[str, ...]  # ids of the gold sentence and of its twins in the paragraph
    start: int  # of the first answer, in characters of the paragraph
    answers: tuple[str, ...]
    article: str  # language, number and title

    @property
    def paragraph(self) -> str:
        return _paragraph_of(self.relevant[0])


def _paragraph_of(passage_id: str) -> str:
    return passage_id.rpartition("-")[0]


@dataclass
class LareqaTexts:
    """All questions and sentences of some languages of a data set; see `load_lareqa`."""

    _questions: list[_Question] = field(default_factory=list)
    _passages: list[tuple[str, str, str]] = field(default_factory=list)  # id, language, text
    _paragraphs: dict[str, str] = field(default_factory=dict)  # passage id -> context

    def add_paragraph(self, language: str, sentences: Mapping[str, str], context: str) -> None:
        """Add a paragraph by its sentences, passage id -> text."""
        self._passages.extend((key, language, text) for key, text in sentences.items())
        self._paragraphs.update(dict.fromkeys(sentences, context))

    def add_question(self, question: _Question) -> None:
        """Add a question of a paragraph."""
        self._questions.append(question)

    def pairs(self, with_paragraph: bool = False) -> Pairs:
        """Questions with their gold sentences; see `load_lareqa_pairs`."""
        rows = self._questions
        group = connected_questions((row.question_id, key) for row in rows for key in row.relevant)
        return Pairs(
            question_id=[row.question_id for row in rows],
            passage_group=[group[row.question_id] for row in rows],
            language=[row.language for row in rows],
            question=[row.text for row in rows],
            passage=[self._text(row.relevant[0], row.gold, with_paragraph) for row in rows],
            cluster=[self._clusters[row.question_id] for row in rows],
            split_group=self._split_groups,
        )

    def benchmark(self, name: str, with_paragraph: bool = False) -> Benchmark:
        """Questions with all sentences as candidates; see `load_lareqa_benchmark`."""
        queries = ((row.question_id, row.language, row.text) for row in self._questions)
        passages = (
            (key, language, self._text(key, text, with_paragraph))
            for key, language, text in self._passages
        )
        return build_benchmark(name, queries, passages, self._relevant, clusters=self._clusters)

    def development(self, held_out: Pairs, with_paragraph: bool = False) -> Development:
        """Held-out questions with all sentences of their split groups as candidates.

        Args:
            held_out: rows of `pairs`; all of a split group, or none.
            with_paragraph: append to each sentence its whole paragraph.

        Returns:
            Passage ids and relevance as of `benchmark`.
        """
        groups = set(held_out.split_groups)
        paragraphs = {
            row.paragraph
            for row, group in zip(self._questions, self._split_groups, strict=True)
            if group in groups
        }
        passages = [
            (key, language, self._text(key, text, with_paragraph))
            for key, language, text in self._passages
            if _paragraph_of(key) in paragraphs
        ]
        relevant = {question: self._relevant[question] for question in held_out.question_id}
        return Development(held_out, passages, relevant)

    def reading(self) -> Reading:
        """Paragraphs and answers for a reader; see `load_lareqa_reading`."""
        answers = {(row.question_id, row.language): row.answers for row in self._questions}
        return Reading(self._paragraphs, answers)

    def answered(self) -> list[AnsweredQuestion]:
        """Questions with their paragraphs and first answers, in the order of `pairs`."""
        return [
            AnsweredQuestion(
                question_id=row.question_id,
                language=row.language,
                question=row.text,
                paragraph=self._paragraphs[row.relevant[0]],
                answer=row.answers[0],
                start=row.start,
            )
            for row in self._questions
        ]

    def _text(self, passage_id: str, sentence: str, with_paragraph: bool) -> str:
        return f"{sentence} {self._paragraphs[passage_id]}" if with_paragraph else sentence

    @cached_property
    def _relevant(self) -> dict[str, set[str]]:
        relevant: dict[str, set[str]] = {}
        for row in self._questions:
            relevant.setdefault(row.question_id, set()).update(row.relevant)
        return relevant

    @cached_property
    def _clusters(self) -> dict[str, str]:
        """Question id -> its article; articles with a common question are one."""
        ids = [row.question_id for row in self._questions]
        articles = joined([row.article for row in self._questions], (("", key) for key in ids))
        return dict(zip(ids, articles, strict=True))

    @cached_property
    def _split_groups(self) -> Sequence[str]:
        """The paragraph of each question; paragraphs with a common question are one."""
        paragraphs = [row.paragraph for row in self._questions]
        return joined(paragraphs, (("", row.question_id) for row in self._questions))


def load_lareqa_pairs(
    folder: str | Path, languages: LanguageSetting | None = None, with_paragraph: bool = False
) -> Pairs:
    """Load questions with their gold sentences as a training table.

    Sentences are not aligned across languages, and questions share gold sentences. So a passage
    group is a connected component over "same gold sentence in one language" and "same question".

    Args:
        folder: holds one ``<language>.json`` per language.
        languages: see `hybridir.languages.LanguageSetting`; all in the folder if None.
        with_paragraph: append to each sentence its whole paragraph.

    Returns:
        One row per question and language, sorted by language, in the order of the file within one.
        Clusters are articles, as in `load_lareqa_benchmark`. Split groups are connected components
        over "same paragraph" and "same question".

    Raises:
        InputError: if a folder, file or record cannot be used; says which and why.
    """
    return load_lareqa(folder, languages).pairs(with_paragraph)


def load_lareqa_benchmark(
    name: str,
    folder: str | Path,
    languages: LanguageSetting | None = None,
    with_paragraph: bool = False,
) -> Benchmark:
    """Load questions with all sentences as their candidates.

    Relevant for a question are the gold sentences of the same question id in every language that
    is loaded, and sentences of the same paragraph with identical text.

    Args:
        name: names the scores.
        folder: holds one ``<language>.json`` per language.
        languages: see `hybridir.languages.LanguageSetting`; all in the folder if None.
        with_paragraph: append to each sentence its whole paragraph, as XTREME-R feeds the encoder
            (Ruder et al. 2021, arXiv 2104.07412).

    Returns:
        The benchmark. Passage ids read language-article-paragraph-sentence, each counted from 0,
        for example ``en-0003-0012-004``. Clusters are articles: connected components over "same
        article in one language" and "same question". Each is named by its first article in the
        alphabetically first language, for example ``ar-0003 Nikola_Tesla``.

    Raises:
        InputError: if a folder, file or record cannot be used; says which and why.
    """
    return load_lareqa(folder, languages).benchmark(name, with_paragraph)


def load_lareqa_reading(folder: str | Path, languages: LanguageSetting | None = None) -> Reading:
    """Load the paragraphs and answers that a reader needs beside the benchmark of a folder.

    Args:
        folder: holds one ``<language>.json`` per language.
        languages: see `hybridir.languages.LanguageSetting`; all in the folder if None.

    Returns:
        The paragraph of every passage, and the answers of every question of the benchmark.

    Raises:
        InputError: if a folder, file or record cannot be used; says which and why.
    """
    return load_lareqa(folder, languages).reading()


def load_lareqa(
    folder: str | Path, languages: LanguageSetting | None = None, spell: Spellings | None = None
) -> LareqaTexts:
    """Load a data set once, for its training table and the development set that goes with it.

    Args:
        folder: holds one ``<language>.json`` per language.
        languages: see `hybridir.languages.LanguageSetting`; all in the folder if None.
        spell: knows the spellings of data that are used together with these.

    Raises:
        InputError: if a folder, file or record cannot be used; says which and why.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: there is no such folder; give the one that holds one <language>.json "
            "per language, or let `hybridir data prepare xquad-r` or `mlqa-r` make it"
        )
    available = sorted(path.stem for path in folder.glob("[!.]*.json"))
    if not available:
        raise InputError(f"{folder}: holds no <language>.json file; is it the right folder?")
    choice = check_languages(languages, str(folder))
    if problems := [problem for problem in map(code_problem, available) if problem]:
        raise InputError.collect(
            f"{folder}: each file is named for its language; rename some, or take them away",
            problems,
        )
    names = choice.names(available, str(folder), spell)
    chosen = choice.keep(names.values(), str(folder))
    texts = LareqaTexts()
    for code, language in names.items():
        if language in chosen:
            _read_language(folder / f"{code}.json", language, texts)
    return texts


@dataclass
class _File:
    """What is known while one file is read."""

    language: str
    texts: LareqaTexts
    seen: set[str] = field(default_factory=set)  # ids of the file's questions
    article: str = ""


def _read_language(path: Path, language: str, texts: LareqaTexts) -> None:
    """Add one file to `texts`.

    Raises:
        InputError: lists the records that cannot be used, with their location in the file.
    """
    problems: list[str] = []
    file = _File(language, texts)
    code = path.stem  # of ids, which a mapping of languages does not change
    top = _parse(path)
    try:
        for a, article in enumerate(_get(top, "data", list, "")):
            paragraphs = _get(article, "paragraphs", list, f"data[{a}]")
            title = _get(article, "title", str, f"data[{a}]") if "title" in article else ""
            file.article = " ".join([f"{code}-{a:04d}", *title.split()])
            for p, paragraph in enumerate(paragraphs):
                location = f"data[{a}].paragraphs[{p}]"
                prefix = f"{code}-{a:04d}-{p:04d}"
                try:
                    problems += _read_paragraph(paragraph, location, prefix, file)
                except InputError as error:
                    problems.append(str(error))
    except InputError as error:
        problems.append(str(error))
    if not problems and not file.seen:
        problems.append("there is no question in it")
    if problems:
        raise InputError.collect(f"{path} cannot be used", shortened(problems))


def _read_paragraph(paragraph: object, location: str, prefix: str, file: _File) -> list[str]:
    """Add one paragraph to the texts; returns the problems of its questions."""
    context = _get(paragraph, "context", str, location)
    breaks = _get(paragraph, "sentence_breaks", list, location)
    for number, pair in enumerate(breaks):
        if not (
            isinstance(pair, list)
            and len(pair) == 2
            and all(isinstance(offset, int) for offset in pair)
            and 0 <= pair[0] < pair[1] <= len(context)
            and context[pair[0] : pair[1]].strip()
        ):
            raise InputError(
                f"{location}.sentence_breaks[{number}]: {pair!r} is no [start, end) of a text "
                f"in the context of {len(context)} characters"
            )
    sentences = [context[start:end] for start, end in breaks]
    ids = [f"{prefix}-{number:03d}" for number in range(len(sentences))]
    file.texts.add_paragraph(file.language, dict(zip(ids, sentences, strict=True)), context)
    problems = []
    for number, record in enumerate(_get(paragraph, "qas", list, location)):
        try:
            key, text, start, answers = _read_question(
                record, f"{location}.qas[{number}]", context, file.seen
            )
        except InputError as error:
            problems.append(str(error))
            continue
        gold = next(
            (s for (low, high), s in zip(breaks, sentences, strict=True) if low <= start < high),
            None,
        )
        if gold is not None:
            twins = tuple(i for i, s in zip(ids, sentences, strict=True) if s == gold)
            file.texts.add_question(
                _Question(key, file.language, text, gold, twins, start, answers, file.article)
            )
    return problems


def _read_question(
    record: object, location: str, context: str, seen: set[str]
) -> tuple[str, str, int, tuple[str, ...]]:
    """Check one question; returns its id, text, offset of the first answer, and answers."""
    key = _get(record, "id", str, location)
    text = _get(record, "question", str, location)
    answers = _get(record, "answers", list, location)
    if not key.strip() or not is_visible(text) or not answers:
        raise InputError(f"{location}: id, question and answers must not be empty")
    if key in seen:
        raise InputError(f"{location}: question id {key!r} is already there in this file")
    seen.add(key)
    start = _get(answers[0], "answer_start", int, f"{location}.answers[0]")
    texts = tuple(
        _get(answer, "text", str, f"{location}.answers[{number}]")
        for number, answer in enumerate(answers)
    )
    answer = texts[0]
    if not 0 <= start <= start + len(answer) <= len(context):
        raise InputError(
            f"{location}.answers[0] (question {key!r}): answer_start={start} with an answer of "
            f"{len(answer)} characters lies outside the context of {len(context)} characters"
        )
    return key, text, start, texts


def _parse(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; fetch it again")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}, column {error.colno}: invalid JSON "
            f"({error.msg}); the file may be truncated, fetch it again"
        ) from None
    except (ValueError, RecursionError) as error:  # too many digits, or brackets
        raise InputError(f"{path}: invalid JSON ({error}); fetch it again") from None


def _get(record: object, key: str, kind: type, location: str) -> Any:
    """Look up `key` in a JSON object; its value must have the type `kind`."""
    where = location or "top level"
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object, found {type(record).__name__}")
    if key not in record:
        raise InputError(f"{where}: the key {key!r} is missing")
    if not isinstance(record[key], kind):
        raise InputError(
            f"{where}: {key!r} should be {kind.__name__}, found {type(record[key]).__name__}"
        )
    if isinstance(record[key], str) and not is_unicode(record[key]):
        raise InputError(f"{where}: half of a surrogate pair in {key!r}")
    return record[key]
