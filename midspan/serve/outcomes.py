"""What became of the suggestions that an editor was given, as far as it tells."""

from collections import Counter, OrderedDict
from typing import Literal

Outcome = Literal["shown", "accepted", "partly accepted"]
OUTCOMES: tuple[Outcome, ...] = ("shown", "accepted", "partly accepted")
REMEMBERED = 1_000
"""Suggestions of which the editor may still say what became of them."""


class Outcomes:
    """Counts suggestions and what became of them, each outcome of a suggestion once."""

    def __init__(self) -> None:
        self.given = 0
        self.counts: Counter[Outcome] = Counter()
        self._said: OrderedDict[str, set[Outcome]] = OrderedDict()

    def give(self) -> str:
        """Count a suggestion; the name by which the editor can speak of it."""
        self.given += 1
        name = str(self.given)
        self._said[name] = set()
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return name

    def note(self, name: str, outcome: Outcome) -> None:
        """Count what became of a suggestion; of one that was not given lately nothing is counted."""
        said = self._said.get(name)
        if said is not None and outcome not in said:
            said.add(outcome)
            self.counts[outcome] += 1

    def __str__(self) -> str:
        told = [f"{self.counts[outcome]} {outcome}" for outcome in OUTCOMES if self.counts[outcome]]
        return ", ".join([f"{self.given} suggestions given", *told])
