"""Metrics of evaluation, in cases per second of one core: all of them, and the slow ones beside a peer.

The cases are cut from this Python's library. Of the suggestions a third are the truth, a third the truth with names of
other places, as a model may write, a sixth its first line, and a sixth belong elsewhere. The peer of syntax is the
whole file parsed; the last line counts where it judges otherwise than what is near the caret.

    python benchmarks/evaluation_metrics.py [--cases 2000]
"""

import argparse
import keyword
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from random_model import library_files
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.table import Table
from sacrebleu.metrics.chrf import CHRF

from midspan.data.cases import Case, cut_case
from midspan.data.corpus import Document
from midspan.evaluate.chrf import chrf
from midspan.evaluate.line_agreement import kk
from midspan.evaluate.metrics import edit_similarity, score
from midspan.evaluate.validity import validity
from midspan.fim.syntax import CutKind
from midspan.recipe.schema import FimConfig
from midspan.syntax.broken import is_broken, read_document
from midspan.syntax.languages import LANGUAGES

SACREBLEU = CHRF(word_order=2)
NAME = re.compile(rf"\b(?!(?:{'|'.join(keyword.kwlist)})\b)[A-Za-z_]\w+")
SEED = 0


@dataclass(frozen=True)
class Item:
    """A case and what was suggested for it."""

    case: Case
    suggestion: str


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=2_000)
    count = parser.parse_args().cases
    items = drawn(count)
    sizes = sum(len(item.case.middle) for item in items) / len(items)
    Console().print(f"{len(items):,} cases, {sizes:.0f} characters of truth on average", highlight=False)
    everything = per_second(items, lambda item: score(item.case, item.suggestion))
    rows = [("all metrics", everything, None)]
    pairs: list[tuple[str, Callable[[Item], object], Callable[[Item], object] | None]] = [
        ("chrF++ (peer: sacrebleu)", lambda item: chrf(item.suggestion, item.case.middle), by_sacrebleu),
        (
            "edit similarity (peer: rapidfuzz)",
            lambda item: edit_similarity(item.suggestion, item.case.middle),
            lambda item: Levenshtein.normalized_similarity(item.suggestion.strip(), item.case.middle.strip()),
        ),
        ("KK", lambda item: kk(item.suggestion, item.case.middle), None),
        ("syntax (peer: the whole file parsed)", judged, judged_whole),
    ]
    for name, ours, theirs in pairs:
        rows.append((name, per_second(items, ours), per_second(items, theirs) if theirs else None))
    table = Table(title="cases per second of one core", title_justify="left")
    for column in ("metric", "Midspan", "peer", "ratio"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, own, peer in rows:
        table.add_row(name, f"{own:,.0f}", f"{peer:,.0f}" if peer else "", f"{own / peer:.2f}" if peer else "")
    Console().print(table)
    verdicts = [(judged(item), judged_whole(item)) for item in items if item.suggestion.strip()]
    broken = sum(whole == 0 for _, whole in verdicts)
    missed, alarms = (sum(verdict == (quick, 1 - quick) for verdict in verdicts) for quick in (1, 0))
    Console().print(
        f"of {len(verdicts):,} suggestions {broken:,} are broken; near the caret {missed} of these look whole, and"
        f" {alarms} others broken",
        highlight=False,
    )


def drawn(count: int) -> list[Item]:
    """Cases with suggestions; the same for the same library."""
    rng = random.Random(SEED)
    cases: list[Case] = []
    kinds = list(CutKind)
    for turn in range(count):
        for number, file in enumerate(library_files()):
            text = file.read_text(encoding="utf-8")
            document = Document("library", f"{turn}/{file.name}", "python", text, "PSF-2.0", "", "", "test")
            case = cut_case(document, kinds[(turn + number) % len(kinds)], FimConfig(), turn)
            if case is not None:
                cases.append(case)
            if len(cases) == count:
                return [Item(case, written(case, cases, rng)) for case in cases]
    raise AssertionError("every turn gives cases")


def written(case: Case, cases: Sequence[Case], rng: random.Random) -> str:
    """The truth, nearly the truth, its beginning, or another one."""
    chance, other = rng.random(), rng.choice(cases).middle
    if chance < 1 / 3:
        return case.middle
    if chance < 2 / 3:
        names = NAME.findall(other) or ["value"]
        return NAME.sub(lambda match: rng.choice(names) if rng.random() < 0.3 else match[0], case.middle)
    return case.middle.partition("\n")[0] if chance < 5 / 6 else other


def by_sacrebleu(item: Item) -> float:
    """Chrf++ by the peer."""
    return float(SACREBLEU.sentence_score(item.suggestion, [item.case.middle]).score)


def judged(item: Item) -> float | None:
    """Syntax, as evaluation judges it."""
    return validity(item.case.language, item.case.prefix, item.suggestion, item.case.suffix)


def judged_whole(item: Item) -> float | None:
    """Syntax, by parsing the whole file."""
    read_document.cache_clear()
    case = item.case
    return float(not is_broken(case.prefix, item.suggestion, case.suffix, LANGUAGES[case.language]))


def per_second(items: Sequence[Item], metric: Callable[[Item], object]) -> float:
    """Of three rounds the fastest, in processor time."""
    seconds = []
    for _ in range(3):
        read_document.cache_clear()
        started = time.process_time()
        for item in items:
            metric(item)
        seconds.append(time.process_time() - started)
    return len(items) / min(seconds)


if __name__ == "__main__":
    main()
