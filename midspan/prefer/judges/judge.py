"""The protocol of judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from midspan.data.cases import Case


@dataclass(frozen=True)
class Verdict:
    """A score from 0 (useless) to 1 (as good as it gets) and the reason in words, without source text."""

    score: float
    reason: str


class Judge(Protocol):
    """Scores the completions of one case together, so that a judge may compare them."""

    name: str

    def judge(self, case: Case, texts: Sequence[str]) -> list[Verdict]:
        """One verdict per text, in order."""
        ...
