"""The metrics of one suggestion against the text that really stood at the caret. Strings in, numbers out."""

import re
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from midspan.data.cases import Case
from midspan.evaluate.chrf import chrf
from midspan.evaluate.line_agreement import kk
from midspan.evaluate.typing import saved
from midspan.evaluate.validity import validity
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.stubs import is_stub

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Scores:
    """All metrics of one case; shares from 0 to 1, `chrf` from 0 to 100, None where nothing can be said."""

    em: float
    first_line_em: float
    perfect_lines: float
    chrf: float
    edit_similarity: float
    identifier_f1: float | None
    line_match: float
    kk: float
    length_ratio: float
    over_run: float
    under_run: float
    stub: float
    empty: float
    valid: float | None
    saved_whole: float
    saved_by_line: float
    saved_by_word: float
    recited: float | None = None
    """See `midspan.evaluate.verbatim`; None where the training data is not known."""


def score(case: Case, suggestion: str) -> Scores:
    """All metrics of `suggestion` for `case` that need nothing else."""
    effort, length = saved(suggestion, case.middle), len(case.middle)
    return Scores(
        em=exact_match(suggestion, case.middle),
        first_line_em=first_line_match(suggestion, case.middle),
        perfect_lines=perfect_lines(suggestion, case.middle),
        chrf=chrf(suggestion, case.middle),
        edit_similarity=edit_similarity(suggestion, case.middle),
        identifier_f1=identifier_f1(suggestion, case.middle),
        line_match=line_match(suggestion, case.middle),
        kk=kk(suggestion, case.middle),
        length_ratio=length_ratio(suggestion, case.middle),
        over_run=over_run(suggestion, case.middle),
        under_run=under_run(suggestion, case.middle),
        stub=float(is_stub(case.prefix, suggestion)),
        empty=float(not suggestion.strip()),
        valid=_valid(case, suggestion),
        saved_whole=effort.whole / length,
        saved_by_line=effort.by_line / length,
        saved_by_word=effort.by_word / length,
    )


def exact_match(suggestion: str, truth: str) -> float:
    """1 if both are equal, whitespace around them aside."""
    return float(suggestion.strip() == truth.strip())


def first_line_match(suggestion: str, truth: str) -> float:
    """1 if the first non-blank lines are equal, whitespace around them aside."""
    return float(suggestion.strip().partition("\n")[0].rstrip() == truth.strip().partition("\n")[0].rstrip())


def perfect_lines(suggestion: str, truth: str) -> float:
    """Share of the truth's lines that are right before the suggestion's first wrong one; lines as in `line_match`."""
    wanted = _lines(truth)
    right = 0
    for line, other in zip(_lines(suggestion), wanted, strict=False):
        if line != other:
            break
        right += 1
    return right / max(1, len(wanted))


def edit_similarity(suggestion: str, truth: str) -> float:
    """1 - Levenshtein distance in characters / length of the longer text, whitespace around both aside."""
    return Levenshtein.normalized_similarity(suggestion.strip(), truth.strip())


def identifier_f1(suggestion: str, truth: str) -> float | None:
    """F1 of the sets of identifiers, keywords among them (CrossCodeEval, arXiv 2310.11248); None if neither has any."""
    written, wanted = set(_IDENTIFIER.findall(suggestion)), set(_IDENTIFIER.findall(truth))
    if not written and not wanted:
        return None
    return 2 * len(written & wanted) / (len(written) + len(wanted))


def line_match(suggestion: str, truth: str) -> float:
    """Relaxed line match: 1 if all lines of the suggestion stand in the truth, 0.5 if at least one does, else 0.

    Lines are the non-blank ones, trimmed; order and number do not count. An empty suggestion scores 0. The mean over
    cases is the sum of 2, 1 or 0 per case over twice the number of cases, as JetBrains' evaluation plugin computes it.
    """
    written, wanted = set(_lines(suggestion)), set(_lines(truth))
    if not written & wanted:
        return 0.0
    return 1.0 if written <= wanted else 0.5


def length_ratio(suggestion: str, truth: str) -> float:
    """Characters of the suggestion over characters of the truth, whitespace around both aside."""
    return len(suggestion.strip()) / len(truth.strip())


def over_run(suggestion: str, truth: str) -> float:
    """1 if the suggestion is the whole truth and goes on: it did not stop where it should have. White space aside."""
    written, wanted = "".join(suggestion.split()), "".join(truth.split())
    return float(len(written) > len(wanted) and written.startswith(wanted))


def under_run(suggestion: str, truth: str) -> float:
    """1 if the suggestion is the beginning of the truth and stops there, too early. Nothing at all does not count."""
    written, wanted = "".join(suggestion.split()), "".join(truth.split())
    return float(0 < len(written) < len(wanted) and wanted.startswith(written))


def _valid(case: Case, suggestion: str) -> float | None:
    """The truth is valid by definition, whatever a grammar thinks of it; it need not be parsed."""
    if suggestion == case.middle and case.language in LANGUAGES:
        return 1.0
    return validity(case.language, case.prefix, suggestion, case.suffix)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
