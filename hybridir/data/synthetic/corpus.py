"""The synthetic corpus: parallel questions and answers about made-up things in made-up languages.

An entity is an adjective, a noun and a unique name ("the red tower Ardu"). A fact says that an
entity has a relation to a value; each fact gives one question and one answer in every language.
The entities of the test and the development set share neither names nor adjective-noun
combinations with the training set. They come in threes that share adjective, noun and relations,
so that only the name tells the answers of a group apart: an encoder that understands everything
but names reaches a mean average precision of (1 + 1/2 + 1/3) / 3 = .61. Names are rarely cognates
in two languages at once, so that is about the ceiling across languages and not within one.
Distractors are further such entities, whose answers are in the pools and which nobody asks about.

A tiny encoder learns the corpus within seconds on one core, and the mixing ratio matters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.pairs import Pairs
from hybridir.data.synthetic.pseudolanguage import GRAMMARS, Concept, Lexicon, shared_form
from hybridir.errors import InputError
from hybridir.names import DEV

TEST_NAME = "synthetic-test"

# Sizes of the world. A two-layer BERT learns it from 19,200 pairs, in about 20 s on one core.
N_ADJECTIVES, N_NOUNS = 20, 30
N_OBJECTS = N_PERSONS = N_PLACES = 40
# Kind of answer of each relation; its verb has the same number.
RELATIONS = ("person",) * 3 + ("place",) * 3 + ("year",) * 2 + ("count",) * 2 + ("object",) * 2
_DISTRACTORS = 1000  # purpose of a random stream, behind those of the languages
ANSWERS = ("person", "place", "year", "count", "object")
# Verbs of extra clauses follow those of the relations; they take a place or an object.
CLAUSES = ("place", "object", "place", "object")
FACTS_PER_ENTITY = 4
HELD_OUT_ENTITIES = 60
GROUP_SIZE = 3

_ROLES = (
    "article",
    "subject",
    "object",
    "past",
    "particle",
    "pronoun",
    "about",
    "place",
    "year",
    "and",
)
_SIZES = {"person": N_PERSONS, "place": N_PLACES, "object": N_OBJECTS}


@dataclass(frozen=True, slots=True)
class Fact:
    """A relation of an entity to a value.

    Attributes:
        key: unique, for example ``"test-0012-3"``.
        adjective: number of the entity's adjective.
        noun: number of the entity's noun.
        name: number of the entity's unique name.
        relation: index into `RELATIONS`.
        value: number of a person, place or object; a year; or a count.
        clause: index into `CLAUSES` and the value of an extra clause, or None.
        template: number of the question template, 0 or 1.
    """

    key: str
    adjective: int
    noun: int
    name: int
    relation: int
    value: int
    clause: tuple[int, int] | None
    template: int

    @property
    def entity(self) -> str:
        """What the fact is about, for example ``"test-0012"``: the cluster of its question."""
        return self.key.rpartition("-")[0]


@dataclass(frozen=True)
class SyntheticCorpus:
    """Training table, development and test benchmark, disjoint in names and combinations."""

    train: Pairs
    dev: Benchmark
    test: Benchmark


@lru_cache(maxsize=2)
def synthetic_corpus(
    languages: int, seed: int, entities: int, distractors: int = 0
) -> SyntheticCorpus:
    """Generate the corpus.

    Args:
        languages: number of languages, 2 to 5: the first ones of ``qa`` to ``qe``. The texts of a
            language do not depend on it.
        seed: decides words, affixes and facts; equal seeds give equal texts in every process.
        entities: number of training entities, each with four facts. Dev and test do not depend on
            it, but for the names of their distractors.
        distractors: number of further entities whose four answers join the pools of dev, and as
            many others those of test. They are in groups like the others.

    Returns:
        The corpus. Dev and test have 240 questions per language; the pool of a language has their
        240 answers and those of the distractors. Clusters are entities: the four facts of one
        share its name.

    Raises:
        InputError: if an argument is out of range.
    """
    if not (2 <= languages <= len(GRAMMARS) and entities >= 1 and min(seed, distractors) >= 0):
        raise InputError(
            f"synthetic corpus with languages={languages}, seed={seed}, entities={entities}, "
            f"distractors={distractors}: expected 2 to {len(GRAMMARS)} languages, a seed of 0 or "
            "more, an entity or more, and 0 distractors or more"
        )
    facts = _draw_world(_stream(seed, 0), entities)
    n_names = 2 * HELD_OUT_ENTITIES + entities
    distractor_facts = _draw_distractors(_stream(seed, _DISTRACTORS), distractors, n_names)
    forms = _draw_forms(_stream(seed, 1), n_names + 2 * distractors)
    lexica = [_draw_lexicon(index, forms, _stream(seed, 2 + index)) for index in range(languages)]
    rows = [(fact, lexicon) for lexicon in lexica for fact in facts["train"]]
    keys = [fact.key for fact, _ in rows]
    return SyntheticCorpus(
        train=Pairs(
            question_id=keys,
            passage_group=keys,
            language=[lexicon.grammar.code for _, lexicon in rows],
            question=[render_question(fact, lexicon) for fact, lexicon in rows],
            passage=[render_answer(fact, lexicon) for fact, lexicon in rows],
            cluster=[fact.entity for fact, _ in rows],
        ),
        dev=_benchmark(DEV, facts["dev"], distractor_facts["dev"], lexica),
        test=_benchmark(TEST_NAME, facts["test"], distractor_facts["test"], lexica),
    )


def _stream(seed: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose,)))


def _draw_world(rng: np.random.Generator, entities: int) -> dict[str, list[Fact]]:
    """Draw all facts, the held-out ones first, so that they do not depend on `entities`."""
    combinations = [divmod(int(c), N_NOUNS) for c in rng.permutation(N_ADJECTIVES * N_NOUNS)]
    n_groups = HELD_OUT_ENTITIES // GROUP_SIZE
    facts: dict[str, list[Fact]] = {}
    first_name = 0
    for index, name in enumerate(("dev", "test")):
        facts[name] = []
        for group, pair in enumerate(combinations[index * n_groups : (index + 1) * n_groups]):
            relations = rng.permutation(len(RELATIONS))[:FACTS_PER_ENTITY].tolist()
            for member in range(GROUP_SIZE):
                number = group * GROUP_SIZE + member
                facts[name] += _draw_facts(
                    f"{name}-{number:04d}", pair, first_name + number, relations, rng
                )
        first_name += HELD_OUT_ENTITIES
    trained = combinations[2 * n_groups :]
    facts["train"] = []
    for number in range(entities):
        relations = rng.permutation(len(RELATIONS))[:FACTS_PER_ENTITY].tolist()
        pair = trained[rng.integers(len(trained))]
        facts["train"] += _draw_facts(
            f"train-{number:04d}", pair, first_name + number, relations, rng
        )
    return facts


def _draw_distractors(
    rng: np.random.Generator, distractors: int, first_name: int
) -> dict[str, list[Fact]]:
    """Draw the facts of both benchmarks' distractors, which have names of their own."""
    facts: dict[str, list[Fact]] = {"dev": [], "test": []}
    for offset, (name, of_name) in enumerate(facts.items()):
        for number in range(distractors):
            if number % GROUP_SIZE == 0:
                pair = divmod(int(rng.integers(N_ADJECTIVES * N_NOUNS)), N_NOUNS)
                relations = rng.permutation(len(RELATIONS))[:FACTS_PER_ENTITY].tolist()
            of_name += _draw_facts(
                f"{name}-distractor-{number:04d}",
                pair,
                first_name + offset * distractors + number,
                relations,
                rng,
            )
    return facts


def _draw_facts(
    key: str,
    combination: tuple[int, int],
    name: int,
    relations: Iterable[int],
    rng: np.random.Generator,
) -> list[Fact]:
    facts = []
    for number, relation in enumerate(relations):
        has_clause = rng.random() < 0.5
        clause = int(rng.integers(len(CLAUSES)))
        facts.append(
            Fact(
                key=f"{key}-{number}",
                adjective=combination[0],
                noun=combination[1],
                name=name,
                relation=relation,
                value=_draw_value(RELATIONS[relation], rng),
                clause=(clause, _draw_value(CLAUSES[clause], rng)) if has_clause else None,
                template=int(rng.integers(2)),
            )
        )
    return facts


def _draw_value(kind: str, rng: np.random.Generator) -> int:
    if kind == "year":
        return int(rng.integers(1500, 2000))
    if kind == "count":
        return int(rng.integers(2, 100))
    return int(rng.integers(_SIZES[kind]))


def _draw_forms(rng: np.random.Generator, names: int) -> dict[Concept, str]:
    """Draw the shared form of every concept, names last: no other form depends on `names`."""
    sizes = {
        "adjective": N_ADJECTIVES,
        "noun": N_NOUNS,
        "verb": len(RELATIONS) + len(CLAUSES),
        **_SIZES,
        "name": names,
    }
    forms: dict[str, Concept] = {}
    for kind, size in sizes.items():
        for number in range(size):
            while (form := shared_form(rng)) in forms:
                pass
            forms[form] = (kind, number)
    return {concept: form for form, concept in forms.items()}


def _draw_lexicon(index: int, forms: Mapping[Concept, str], rng: np.random.Generator) -> Lexicon:
    lexicon = Lexicon(GRAMMARS[index])
    lexicon.add_function_words(ANSWERS, _ROLES, rng)
    lexicon.add_concepts(forms, rng)
    return lexicon


def _benchmark(
    name: str, facts: list[Fact], distractors: list[Fact], lexica: list[Lexicon]
) -> Benchmark:
    rows = [(fact, lexicon, lexicon.grammar.code) for lexicon in lexica for fact in facts]
    relevant: dict[str, set[str]] = {}
    for fact, _, code in rows:
        relevant.setdefault(fact.key, set()).add(f"{code}-{fact.key}")
    return build_benchmark(
        name,
        ((fact.key, code, render_question(fact, lexicon)) for fact, lexicon, code in rows),
        (
            (f"{code}-{fact.key}", code, render_answer(fact, lexicon))
            for lexicon in lexica
            for code in [lexicon.grammar.code]
            for fact in [*facts, *distractors]
        ),
        relevant,
        clusters={fact.key: fact.entity for fact in facts},
    )


def render_answer(fact: Fact, lexicon: Lexicon) -> str:
    """State a fact in a language.

    Returns:
        A statement in the language's word order, with its extra clause if it has one.
    """
    kind = RELATIONS[fact.relation]
    words = _clause(
        lexicon,
        subject=_entity(fact, lexicon, "subject"),
        verb=_verb(fact.relation, lexicon),
        obj=_value(kind, fact.value, lexicon),
    )
    if fact.clause:
        clause, value = fact.clause
        words.append(lexicon.function["and"])
        words += _clause(
            lexicon,
            subject=[lexicon.function["pronoun"]],
            verb=_verb(len(RELATIONS) + clause, lexicon),
            obj=_value(CLAUSES[clause], value, lexicon),
        )
    return " ".join(words) + "."


def render_question(fact: Fact, lexicon: Lexicon) -> str:
    """Ask for a fact's value in a language.

    Returns:
        The question. Template 0 puts the question word first; template 1 names the entity
        first and then asks about "it", with the question word in the position of the answer.
    """
    wh = lexicon.wh[RELATIONS[fact.relation]]
    verb = _verb(fact.relation, lexicon)
    if fact.template == 0:
        words = [wh, *_clause(lexicon, _entity(fact, lexicon, "subject"), verb, [])]
    else:
        topic = _with_adposition("about", _entity(fact, lexicon, "object"), lexicon)
        words = topic + _clause(lexicon, [lexicon.function["pronoun"]], verb, [wh])
    return " ".join([*words, lexicon.function["particle"]]) + "?"


def _clause(lexicon: Lexicon, subject: list[str], verb: str, obj: list[str]) -> list[str]:
    words = {"S": subject, "V": [verb], "O": obj}
    return [word for role in lexicon.grammar.order for word in words[role]]


def _entity(fact: Fact, lexicon: Lexicon, case: str) -> list[str]:
    grammar, function = lexicon.grammar, lexicon.function
    noun = lexicon.words["noun", fact.noun] + function[case]
    if grammar.article == "prefix":
        noun = function["article"] + noun
    elif grammar.article == "suffix":
        noun += function["article"]
    adjective = lexicon.words["adjective", fact.adjective]
    words = [adjective, noun] if grammar.adjective_first else [noun, adjective]
    if grammar.article == "word":
        words.insert(0, function["article"])
    return [*words, lexicon.words["name", fact.name]]


def _verb(number: int, lexicon: Lexicon) -> str:
    return lexicon.words["verb", number] + lexicon.function["past"]


def _value(kind: str, value: int, lexicon: Lexicon) -> list[str]:
    if kind == "count":
        return [str(value)]
    if kind == "year":
        return _with_adposition("year", [str(value)], lexicon)
    word = lexicon.words[kind, value]
    if kind == "place":
        return _with_adposition("place", [word], lexicon)
    return [word + lexicon.function["object"]]


def _with_adposition(role: str, words: list[str], lexicon: Lexicon) -> list[str]:
    adposition = lexicon.function[role]
    return [adposition, *words] if lexicon.grammar.prepositions else [*words, adposition]
