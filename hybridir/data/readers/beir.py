"""Retrieval benchmarks in a local folder: queries, passages and relevance judgements.

`hybridir.data.readers.layouts` has the layouts. JSONL and text files may be gzipped. Queries of
different languages are no translations of each other, unless the folder is said to be parallel.
All texts are held in memory.

The rules are those of published evaluation, BEIR's code and trec_eval's, see
`hybridir.data.judgements`; ``in_pool`` is the project's own: only what is in the pool counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.judgements import NOTES, PUBLISHED, Judgements
from hybridir.data.readers.judged import Grades, LanguageTexts, read_grades, read_texts
from hybridir.data.readers.layouts import find_files
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting


@dataclass(frozen=True)
class FolderRules:
    """How the files of a folder become a benchmark.

    Attributes:
        counting: ``published`` as trec_eval and BEIR count, or ``in_pool``: relevant passages that
            are not in the corpus, grades, queries without a relevant passage and texts without a
            character do not count.
        ignore_identical_ids: whether a query must not find the passage that has its own id; None
            for yes by published rules, and no by the others.
        parallel: queries of different languages with one id are translations, and so are passages;
            ``questions`` if the first alone are.
        skip_bad: leave bad rows out and log them, instead of stopping at them.
    """

    counting: Literal["published", "in_pool"] = PUBLISHED
    ignore_identical_ids: bool | None = None
    parallel: bool | Literal["questions"] = False
    skip_bad: bool = False


def load_beir_benchmark(
    name: str,
    folder: str | Path,
    split: str,
    language: str | None = None,
    languages: LanguageSetting | None = None,
    rules: FolderRules = FolderRules(),
) -> Benchmark:
    """Load a benchmark of queries, passages and relevance judgements.

    A passage is its title and its text with a space between them. Where several languages are
    loaded together, all ids get the code of their language in front (``sw-123#0``), so that they
    stay unique; those of parallel queries do not.

    Of a parallel folder what answers a question in any language of the pool is relevant to it in
    every language, as in LAReQA (arXiv 2004.05484, section 2): all passages that the judgements of
    any language name for its id, and in a language that does not judge the question the passages
    with the ids of these.

    Args:
        name: names the scores.
        folder: has one of the layouts.
        split: of the judgements, for example ``dev`` or ``test``.
        language: the language of a folder in BEIR's layout.
        languages: those to load of the other layouts, see `hybridir.languages.LanguageSetting`;
            all in the folder if None. Ids keep the codes of the folder.
        rules: how its files are taken.

    Returns:
        The benchmark; each language has a pool of its own.

    Raises:
        InputError: if files or languages are missing, or rows cannot be used; names all problems
            of one file in one message.
    """
    folder = Path(folder)
    all_files = find_files(folder, split, language, languages)
    texts = {files.language: read_texts(files, rules.skip_bad) for _, files in all_files}
    everybody = {query for of_language in texts.values() for query in of_language.queries}
    shown = {files.language: language for language, files in all_files}
    collected = _Folder(name, folder, rules, texts, shown)
    for of_language in texts.values():
        collected.counts.update(of_language.counts)
    for _, files in all_files:
        asked = everybody if rules.parallel else texts[files.language].queries
        grades, counts = read_grades(files, asked, rules.skip_bad)
        collected.grades[files.language] = grades
        collected.counts.update(counts)
    return collected.benchmark()


@dataclass
class _Folder:
    """The texts and judgements of a folder on their way to a benchmark.

    Attributes:
        texts: language as the folder writes it -> its texts.
        shown: the same -> the language as the benchmark calls it.
        grades: language of the passages, as the folder writes it -> their grades.
        counts: names of `NOTES` -> how often.
        relevant: question of the benchmark -> passage of the benchmark -> grade.
        absent: question of the benchmark -> language, id and grade of a passage that is not there.
    """

    name: str
    folder: Path
    rules: FolderRules
    texts: dict[str, LanguageTexts]
    shown: dict[str, str]
    grades: dict[str, Grades] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    relevant: dict[str, dict[str, int]] = field(default_factory=dict)
    absent: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)

    @property
    def _published(self) -> bool:
        return self.rules.counting == PUBLISHED

    @property
    def _drops_own(self) -> bool:
        chosen = self.rules.ignore_identical_ids
        return self._published if chosen is None else chosen

    def benchmark(self) -> Benchmark:
        """Build it.

        Raises:
            InputError: if no query has a relevant passage, or the folder and its rules contradict
                each other.
        """
        for of_language in self.texts.values():
            self._look_for_empty(of_language)
        if self.rules.parallel is True:
            self._spread()
        for code, grades in self.grades.items():
            for query, of_query in grades.items():
                self._judge(code, query, of_query)
        queries = list(self._asked())
        if not any(self.relevant.get(question) for question, _, _ in queries):
            raise InputError(f"{self.folder}: no query has a relevant passage in the corpus")
        passages = [
            (self._passage(code, key), self.shown[code], text)
            for code, of_language in self.texts.items()
            for key, text in of_language.passages.items()
        ]
        relevant = {question: set(keys) for question, keys in self.relevant.items()}
        benchmark = build_benchmark(self.name, queries, passages, relevant, unanswered=True)
        return replace(benchmark, judgements=self._judgements(benchmark))

    def _look_for_empty(self, texts: LanguageTexts) -> None:
        for kind, of_kind in (("passages", texts.passages), ("queries", texts.queries)):
            empty = [key for key, text in of_kind.items() if not text]
            self.counts[f"{kind}_without_text"] += len(empty)
            if not self._published:
                for key in empty:
                    del of_kind[key]

    def _spread(self) -> None:
        """Judge passages whose translations are judged, in languages without own judgements."""
        added: list[tuple[str, str, str, int]] = []
        for code, grades in self.grades.items():
            for query, of_query in grades.items():
                for passage, grade in of_query.items():
                    for other in self.texts.keys() - {code}:
                        if grade <= 0 or passage not in self.texts[other].passages:
                            continue
                        of_other = self.grades[other].get(query)
                        if of_other is not None and passage not in of_other:
                            raise InputError(
                                f"{self.folder}: for question {query!r} passage {passage!r} is "
                                f"relevant in {code}, and not judged in {other}, though there are "
                                "other judgements of this question. If equal ids of passages are "
                                "translations, judge it there; if they are not, set parallel: "
                                "questions, and only equal ids of questions are"
                            )
                        if of_other is None:
                            added.append((other, query, passage, grade))
        for code, query, passage, grade in added:
            self.grades[code].setdefault(query, {})[passage] = grade

    def _judge(self, code: str, query: str, grades: Mapping[str, int]) -> None:
        """Divide the judgements of a query on passages of one language."""
        question = self._question(code, query)
        relevant = self.relevant.setdefault(question, {})
        absent = self.absent.setdefault(question, [])
        for passage, grade in grades.items():
            self.counts["negative_judgements"] += grade < 0
            self.counts["graded_judgements"] += grade > 1
            if grade <= 0:
                continue
            own = query == passage and self._drops_own
            if own and self.rules.ignore_identical_ids is None:
                raise InputError(
                    f"{self.folder}: passage {passage!r} is relevant to the query of the same id, "
                    "and BEIR's code drops such passages from its rankings. Set "
                    "ignore_identical_ids: false to let queries find them, or "
                    "ignore_identical_ids: true to drop them and count them as not found"
                )
            if passage in self.texts[code].passages and not own:
                relevant[self._passage(code, passage)] = grade
            else:
                self.counts["absent_relevant_passages"] += not own
                absent.append((code, passage, grade))

    def _asked(self) -> Iterable[tuple[str, str, str]]:
        """Judged queries: id, language and text."""
        shared: Counter[str] = Counter()
        for code, texts in self.texts.items():
            for query, text in texts.queries.items():
                question = self._question(code, query)
                if question not in self.relevant:
                    self.counts["queries_without_judgement"] += 1
                    continue
                if not self.relevant[question]:
                    without = not self.absent[question] or not self._published
                    self.counts["queries_without_relevant_passage"] += without
                    if not self._published:
                        continue
                shared[query] += 1
                yield question, self.shown[code], text
        if len(self.texts) > 1:
            repeated = sum(n_languages > 1 for n_languages in shared.values())
            if not self.rules.parallel:
                self.counts["questions_with_shared_id"] = repeated
            elif not repeated:
                self.counts["questions_in_one_language"] = len(shared)

    def _judgements(self, benchmark: Benchmark) -> Judgements:
        """What counts beside the relevant passages, by numbers of the benchmark."""
        code_of = {code: number for number, code in enumerate(benchmark.languages)}
        entries: list[tuple[int, int, int, str]] = []
        for query, question in enumerate(benchmark.question_ids):
            own = int(benchmark.query_languages[query])
            absent = self.absent.get(question, []) if self._published else []
            entries += (
                (query, code_of[self.shown[code]], grade, key) for code, key, grade in absent
            )
            if not absent and not self.relevant[question]:
                entries.append((query, own, 0, "none"))
        grades = [
            self.relevant[benchmark.question_ids[query]][benchmark.passage_ids[passage]]
            for query, passage in zip(
                benchmark.relevant_queries.tolist(), benchmark.relevant.tolist(), strict=True
            )
        ]
        all_grades = {*grades, *(entry[2] for entry in entries)}
        graded = self._published and not all_grades <= {0, 1}
        identical = self._identical(benchmark)
        n_pairs = sum(map(len, identical.values()))
        self.counts["identical_ids" if self._drops_own else "identical_ids_kept"] = n_pairs
        return Judgements(
            rules=self.rules.counting,
            ignore_identical_ids=self._drops_own,
            gains_R=np.array(grades, dtype=np.float64) if graded else None,
            absent_queries=np.array([entry[0] for entry in entries], dtype=np.int64),
            absent_languages=np.array([entry[1] for entry in entries], dtype=np.int64),
            absent_gains=np.array([entry[2] for entry in entries], dtype=np.int64),
            absent_ids=[entry[3] for entry in entries],
            excluded=identical if self._drops_own else {},
            counts={name: self.counts[name] for name in NOTES if self.counts[name]},
        )

    def _identical(self, benchmark: Benchmark) -> dict[int, tuple[int, ...]]:
        """Query -> passages with its own id: in its language, or in all of a parallel folder."""
        number = {key: index for index, key in enumerate(benchmark.passage_ids)}
        pairs: dict[int, tuple[int, ...]] = {}
        for query, question in enumerate(benchmark.question_ids):
            if self.rules.parallel:
                keys = [self._passage(code, question) for code in self.texts]
            else:
                keys = [question]  # both have the language in front, or neither
            if passages := tuple(number[key] for key in keys if key in number):
                pairs[query] = passages
        return pairs

    def _question(self, code: str, query: str) -> str:
        return query if self.rules.parallel else self._passage(code, query)

    def _passage(self, code: str, passage: str) -> str:
        return f"{code}-{passage}" if len(self.texts) > 1 else passage
