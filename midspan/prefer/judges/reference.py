"""The reference judge: how near a completion comes to the text that really stood there.

score = 0.4 line agreement + 0.4 edit similarity + 0.2 length closeness, each from 0 to 1, surrounding whitespace aside:

- line agreement: F1 of the two multisets of non-blank lines, trimmed: says how much could be kept as it is;
- edit similarity: 1 - Levenshtein distance / length of the longer text: credit for nearly right lines;
- length closeness: length of the shorter over length of the longer text: too much is as bad as too little.

Only the exact text scores 1 and an empty completion scores 0. The weights are a choice, not a fit to human
judgements. Cost: O(n m / 64) per completion.
"""

from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from midspan.data.cases import Case
from midspan.prefer.judges.judge import LocalJudge, Verdict

LINE_WEIGHT, EDIT_WEIGHT, LENGTH_WEIGHT = 0.4, 0.4, 0.2


class ReferenceJudge(LocalJudge):
    """Compares with the true middle; needs no model."""

    name = "reference"

    async def judge(self, case: Case, texts: Sequence[str]) -> list[Verdict | None]:
        """One verdict per text, in order."""
        return [_verdict(case.middle, text) for text in texts]


def _verdict(truth: str, text: str) -> Verdict:
    lines, edit, length = line_agreement(truth, text), edit_similarity(truth, text), length_closeness(truth, text)
    score = LINE_WEIGHT * lines + EDIT_WEIGHT * edit + LENGTH_WEIGHT * length
    return Verdict(score, f"lines {lines:.2f}, edit similarity {edit:.2f}, length closeness {length:.2f}")


def line_agreement(truth: str, text: str) -> float:
    """F1 of the multisets of trimmed non-blank lines."""
    wanted, given = _lines(truth), _lines(text)
    total = wanted.total() + given.total()
    return 2 * (wanted & given).total() / total if total else 0.0


def edit_similarity(truth: str, text: str) -> float:
    """1 - Levenshtein distance / length of the longer, both trimmed; 0 if `text` is blank."""
    return Levenshtein.normalized_similarity(truth.strip(), text.strip()) if text.strip() else 0.0


def length_closeness(truth: str, text: str) -> float:
    """Characters of the shorter over characters of the longer, both trimmed."""
    lengths = sorted((len(truth.strip()), len(text.strip())))
    return lengths[0] / lengths[1] if lengths[1] else 0.0


def _lines(text: str) -> Counter[str]:
    return Counter(line.strip() for line in text.splitlines() if line.strip())
