"""The protocol of judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from midspan.data.cases import Case
from midspan.recipe.stage import Metrics


@dataclass(frozen=True)
class Verdict:
    """A score from 0 (useless) to 1 (as good as it gets) and the reason in words, without source text."""

    score: float
    reason: str


class Judge(Protocol):
    """Scores the completions of one case together, so that a judge may compare them."""

    name: str
    parallel: int
    """How many cases are worth judging side by side."""
    sees_failed: bool
    """Whether texts that failed a check are put to the judge too; else they are worth 0 without being asked about."""

    async def judge(self, case: Case, texts: Sequence[str]) -> list[Verdict | None]:
        """One verdict per text, in order; None for a text of which the judge says nothing.

        Raises MidspanError if the judge cannot work at all.
        """
        ...

    def status(self) -> str:
        """A few words for the progress display; may be empty."""
        ...

    def metrics(self) -> Metrics:
        """What the judging took and how sure the judge was, for the stage's metrics; may be empty."""
        ...

    async def close(self) -> None:
        """Release connections and write what is kept aside."""
        ...


class LocalJudge:
    """What judges have in common that need nothing but the case: no connection, no cost."""

    parallel = 1
    sees_failed = False

    def status(self) -> str:
        """See `Judge`."""
        return ""

    def metrics(self) -> Metrics:
        """See `Judge`."""
        return {}

    async def close(self) -> None:
        """See `Judge`."""
