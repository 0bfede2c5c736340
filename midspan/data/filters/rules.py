"""The rules: which threshold is held against which signal, and the first one a file breaks."""

from dataclasses import dataclass

from midspan.data.filters.signals import Signals
from midspan.recipe.schema import FilterConfig


@dataclass(frozen=True)
class Rule:
    """One reason to drop a file: the signal `signal` beyond what the recipe's `threshold` allows."""

    reason: str
    threshold: str
    signal: str

    def breaks(self, value: float, limit: float) -> bool:
        """Whether a signal of this value is beyond the limit."""
        if self.threshold.startswith("min_"):
            return value < limit
        if self.threshold.startswith("max_"):
            return value > limit
        return bool(limit and value)

    def detail(self, value: float, limit: float) -> str:
        """The signal beside its limit, as "max_line_length 3,210 > 1,000"."""
        if self.threshold.startswith("drop_"):
            return self.signal
        return f"{self.signal} {value:,} {'<' if self.threshold.startswith('min_') else '>'} {limit:,}"


RULES = (
    Rule("too_small", "min_bytes", "bytes"),
    Rule("too_large", "max_bytes", "bytes"),
    Rule("too_many_lines", "max_lines", "lines"),
    Rule("generated", "drop_generated", "generated"),
    Rule("long_line", "max_line_length", "max_line_length"),
    Rule("long_mean_line", "max_mean_line_length", "mean_line_length"),
    Rule("few_letters", "min_alphabetic_share", "alphabetic_share"),
    Rule("encoded_data", "max_encoded_share", "encoded_share"),
    Rule("encoded_data", "max_encoded_run", "longest_encoded"),
)
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Refusal:
    """Why a file is dropped: the rule's reason, and `detail`, the signal beside its threshold."""

    reason: str
    detail: str = ""


class Filters:
    """The rules in force for each language, ready to be tried on many files."""

    def __init__(self, config: FilterConfig) -> None:
        self._config = config
        self._limits: dict[str, list[tuple[Rule, float]]] = {}

    def drop(self, signals: Signals, language: str) -> Refusal | None:
        """The first rule that a file in `language` breaks, None if it may stay."""
        if language not in self._limits:
            thresholds = self._config.of(language)
            limits = ((rule, getattr(thresholds, rule.threshold)) for rule in RULES)
            self._limits[language] = [(rule, limit) for rule, limit in limits if limit is not None]
        for rule, limit in self._limits[language]:
            value = getattr(signals, rule.signal)
            if rule.breaks(value, limit):
                return Refusal(rule.reason, rule.detail(value, limit))
        return None
