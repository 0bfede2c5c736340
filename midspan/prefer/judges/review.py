"""Review of a run's pairs by a person: which pairs, in what order, and how far the judges agree with the answers.

A blind review: which completion stands first is drawn by the seed, and what the judge said is shown only after the
answer. The pairs come from `pairs.parquet` in the order of a keyed hash, so a review goes on where it stopped. What
stood around the caret is read from the prompt the model saw; the true middle, which only the report needs, is cut out
of the corpus again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from midspan.data.cases import Case, cut_case
from midspan.data.corpus import documents
from midspan.errors import MidspanError
from midspan.prefer.judges.agreement import Agreement, agreement, label
from midspan.prefer.judges.human import SKIP, TIE, Labels, pair_name, text_name
from midspan.prefer.judges.judge import Verdict
from midspan.prefer.judges.reference import ReferenceJudge
from midspan.prompt.foreign import parse
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import FimConfig

ANSWERS = ("1", "2", TIE, SKIP)


@dataclass(frozen=True)
class Item:
    """One pair as it is shown: `texts` in the order they stand in, `chosen` (0 or 1) the one the judge prefers."""

    pair: str
    case_id: str
    project: str
    path: str
    language: str
    kind: str
    prefix: str
    suffix: str
    texts: tuple[str, str]
    chosen: int
    judge: str
    scores: tuple[float, float]

    @property
    def preferred_by_name(self) -> int:
        """1 or -1: whether the judge prefers the text whose name sorts first; the labels that agreement compares."""
        return self.sign if self.chosen == 0 else -self.sign

    @property
    def sign(self) -> int:
        """1 if the text that stands first is the one whose name sorts first, else -1."""
        return 1 if text_name(self.texts[0]) <= text_name(self.texts[1]) else -1

    @property
    def told(self) -> str:
        """What the judge said, to be shown after the answer."""
        return f"the judge {self.judge} prefers {self.chosen + 1}: {self.scores[0]:.2f} against {self.scores[1]:.2f}"


class Review:
    """Walks a person through the items that have no label yet."""

    def __init__(self, items: Sequence[Item], labels: Labels) -> None:
        self.items, self.labels = items, labels

    @property
    def current(self) -> Item | None:
        """The next item without a label; None when all are done."""
        return next((item for item in self.items if item.pair not in self.labels.by_pair), None)

    @property
    def done(self) -> int:
        """How many of the items have a label."""
        return sum(item.pair in self.labels.by_pair for item in self.items)

    def answer(self, item: Item, answer: str) -> str:
        """Keep "1", "2", "tie" or "skip" for `item`; what the judge said of it."""
        if answer not in ANSWERS:
            raise ValueError(f"unknown answer {answer!r}")
        better = text_name(item.texts[int(answer) - 1]) if answer in ("1", "2") else answer
        self.labels.add(item.case_id, item.texts, better)
        return item.told

    def undo(self) -> bool:
        """Take back the last label if it is of one of the items."""
        last = next(reversed(self.labels.by_pair), None)
        if last is None or all(item.pair != last for item in self.items):
            return False
        self.labels.undo()
        return True


def load_items(run: Path, count: int | None, seed: int) -> list[Item]:
    """At most `count` pairs of a run (all if None), drawn and turned by `seed`.

    Raises MidspanError if the run has no finished stage `prefer`.
    """
    path = run / "prefer" / "pairs.parquet"
    if not path.is_file():
        raise MidspanError(f"the run {run} has no preference pairs", "run its stage `prefer` first")
    tokenizer = Tokenizer.load(run / "tokenizer")
    end = tokenizer.special(detect_format(tokenizer).end)
    rows = pq.read_table(path).to_pylist()
    rows.sort(key=lambda row: _draw(seed, "order", row))
    items: dict[str, Item] = {}
    for row in rows[:count]:
        item = _item(row, tokenizer, end, turned=_draw(seed, "side", row)[0] % 2 == 1)
        items.setdefault(item.pair, item)
    return list(items.values())


def _draw(seed: int, what: str, row: Mapping[str, Any]) -> bytes:
    identity = json.dumps([seed, what, row["case_id"], row["chosen_text"], row["rejected_text"]])
    return hashlib.sha256(identity.encode()).digest()


def _item(row: Mapping[str, Any], tokenizer: Tokenizer, end: int, turned: bool) -> Item:
    lineage = json.loads(row["lineage"])
    answer = tokenizer.decode([id for id in row["chosen_ids"] if id != end])
    healed = answer.removesuffix(row["chosen_text"])
    prompt = parse(tokenizer.decode(row["prompt_ids"]))
    texts, scores = (row["chosen_text"], row["rejected_text"]), (row["chosen_score"], row["rejected_score"])
    return Item(
        pair=pair_name(row["case_id"], texts),
        case_id=row["case_id"],
        project=lineage["project"],
        path=lineage["path"],
        language=row["language"],
        kind=row["kind"],
        prefix=(prompt.prefix if prompt else "") + healed,
        suffix=prompt.suffix if prompt else "",
        texts=(texts[1], texts[0]) if turned else texts,
        chosen=1 if turned else 0,
        judge=row["judge"],
        scores=(scores[1], scores[0]) if turned else scores,
    )


def answered(items: Iterable[Item], labels: Labels) -> list[tuple[Item, int]]:
    """The items with an answer, and 1, -1 or 0 for the text whose name sorts first, the other one, or a tie."""
    found = []
    for item in items:
        given = labels.by_pair.get(item.pair)
        if given is not None and given.better != SKIP:
            names = sorted(given.shown)
            found.append((item, (given.better == names[0]) - (given.better == names[1])))
    return found


async def judges_agreement(
    items: Sequence[Item], labels: Labels, truths: Mapping[str, Case], min_margin: float
) -> dict[str, Agreement]:
    """How far the judge that made the pairs, and the reference judge, agree with the person.

    `truths` are the cases by id, where they are known; the reference judge calls it a tie below `min_margin`.
    """
    given = answered(items, labels)
    pairs: dict[str, list[tuple[int, int]]] = {}
    for item, person in given:
        pairs.setdefault(item.judge, []).append((item.preferred_by_name, person))
        case = truths.get(item.case_id)
        if case is not None and item.judge != ReferenceJudge.name:
            first, second = await ReferenceJudge().judge(case, item.texts)
            pairs.setdefault(ReferenceJudge.name, []).append((item.sign * _label(first, second, min_margin), person))
    return {
        name: agreement([one for one, _ in both], [person for _, person in both])
        for name, both in sorted(pairs.items())
    }


def _label(first: Verdict | None, second: Verdict | None, margin: float) -> int:
    return label(first, second, margin) if first is not None and second is not None else 0


def true_cases(items: Iterable[Item], data: Path, fim: FimConfig, seed: int) -> dict[str, Case]:
    """The cases of the items, cut out of the corpus in `data` as the stage did. One pass over the training split."""
    wanted: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        wanted.setdefault((item.project, item.path), []).append(item)
    return {case.id: case for case in _cut(wanted, data, fim, seed)}


def _cut(wanted: Mapping[tuple[str, str], Sequence[Item]], data: Path, fim: FimConfig, seed: int) -> Iterator[Case]:
    for document in documents(data, "train"):
        for item in wanted.get((document.project, document.path), ()):
            case = cut_case(document, item.kind, fim, seed)
            if case is not None and case.id == item.case_id:
                yield case
