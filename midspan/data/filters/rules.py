"""The rules: which threshold is held against which signal, and the first one that a file breaks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from midspan.recipe.filters import FilterConfig


@dataclass(frozen=True)
class Rule:
    """One reason to drop a file: the signal `signal` beyond what the recipe's `threshold` allows."""

    reason: str
    threshold: str
    signal: str

    @property
    def is_switch(self) -> bool:
        """Whether the threshold is not a number but says to drop what has the signal."""
        return self.threshold.startswith("drop_")

    def breaks(self, value: Any, limit: Any) -> bool:
        """Whether a signal of this value is beyond the limit; what was not measured breaks nothing."""
        if value is None or limit is None:
            return False
        if self.threshold.startswith("min_"):
            return bool(value < limit)
        if self.threshold.startswith("max_"):
            return bool(value > limit)
        return bool(limit and value)

    @property
    def sign(self) -> str:
        """How a signal that breaks the rule stands to the limit."""
        return "" if self.is_switch else "<" if self.threshold.startswith("min_") else ">"

    def detail(self, value: Any, limit: Any) -> str:
        """The signal beside its limit, as "max_line_length 3,210 > 1,000"."""
        if self.is_switch:
            return f"{self.signal}: {value}" if isinstance(value, str) else self.signal
        return f"{self.signal} {value:,} {self.sign} {limit:,}"

    def limit(self, limit: Any) -> str:
        """What the rule drops, as "max_line_length > 1,000"."""
        return self.signal if self.is_switch else f"{self.signal} {self.sign} {limit:,}"


CHEAP_RULES = (
    Rule("too_small", "min_bytes", "bytes"),
    Rule("too_large", "max_bytes", "bytes"),
    Rule("generated", "drop_generated", "generated"),
    Rule("vendored", "drop_vendored", "vendored"),
    Rule("fixture", "drop_fixtures", "fixture"),
    Rule("xml", "drop_xml", "xml"),
    Rule("too_small", "min_characters", "characters"),
    Rule("too_large", "max_characters", "characters"),
    Rule("few_lines", "min_lines", "lines"),
    Rule("too_many_lines", "max_lines", "lines"),
    Rule("long_line", "max_line_length", "max_line_length"),
    Rule("short_lines", "min_mean_line_length", "mean_line_length"),
    Rule("long_mean_line", "max_mean_line_length", "mean_line_length"),
    Rule("few_letters", "min_alphabetic_share", "alphabetic_share"),
    Rule("few_letters", "min_visible_alphabetic_share", "visible_alphabetic_share"),
    Rule("few_letters", "min_alphanumeric_share", "alphanumeric_share"),
    Rule("many_digits", "max_visible_digit_share", "visible_digit_share"),
    Rule("much_whitespace", "max_whitespace_share", "whitespace_share"),
    Rule("broken_characters", "max_replacement_share", "replacement_share"),
    Rule("encoded_data", "max_encoded_share", "encoded_share"),
    Rule("encoded_data", "max_encoded_run", "longest_encoded"),
)
DEAR_RULES = (
    Rule("few_words", "min_words", "words"),
    Rule("short_words", "min_mean_word_length", "mean_word_length"),
    Rule("long_words", "max_mean_word_length", "mean_word_length"),
    Rule("repetition", "min_unique_word_share", "unique_word_share"),
    Rule("few_comments", "min_comment_share", "comment_share"),
    Rule("mostly_comments", "max_comment_share", "comment_share"),
    Rule("mostly_strings", "max_string_share", "string_share"),
    Rule("long_words", "max_long_word_share", "long_word_share"),
    Rule("mostly_strings", "max_long_string_share", "long_string_share"),
    Rule("hexadecimal", "max_hex_share", "hex_share"),
    Rule("unfinished", "max_todo_share", "todo_share"),
    Rule("little_logic", "max_assert_share", "assert_share"),
    Rule("little_logic", "max_print_share", "print_share"),
    Rule("little_logic", "max_import_share", "import_share"),
    Rule("little_logic", "max_pass_share", "pass_share"),
    Rule("little_logic", "max_function_share", "function_share"),
    Rule("little_logic", "max_no_logic_share", "no_logic_share"),
    Rule("little_logic", "drop_without_assignment", "without_assignment"),
    Rule("data", "max_data_share", "data_share"),
    Rule("repetition", "max_duplicate_line_share", "duplicate_line_share"),
    Rule("repetition", "max_top_2gram_share", "top_2gram_share"),
    Rule("repetition", "max_top_3gram_share", "top_3gram_share"),
    Rule("repetition", "max_top_4gram_share", "top_4gram_share"),
    Rule("repetition", "max_duplicate_5gram_share", "duplicate_5gram_share"),
    Rule("repetition", "max_duplicate_6gram_share", "duplicate_6gram_share"),
    Rule("repetition", "max_duplicate_10gram_share", "duplicate_10gram_share"),
    Rule("little_text", "min_text_share", "text_share"),
    Rule("little_text", "min_text_characters", "text_characters"),
    Rule("parse_errors", "max_parse_errors", "parse_errors"),
)
RULES = CHEAP_RULES + DEAR_RULES
"""In the order in which they are tried; the signals of the dear ones are measured only of what the cheap ones leave."""


@dataclass(frozen=True)
class Refusal:
    """Why a file is dropped: a reason for the tally, and `detail`, what exactly was found."""

    reason: str
    detail: str = ""


class Filters:
    """The rules in force for each language, ready to be tried on many files."""

    def __init__(self, config: FilterConfig) -> None:
        self.config = config
        self._limits: dict[str, list[tuple[Rule, Any]]] = {}

    def limits(self, language: str) -> list[tuple[Rule, Any]]:
        """The rules that hold for files in `language`, in the order in which they are tried, with their limits."""
        if language not in self._limits:
            thresholds = self.config.of(language)
            limits = ((rule, getattr(thresholds, rule.threshold)) for rule in RULES)
            self._limits[language] = [(rule, limit) for rule, limit in limits if limit is not None]
        return self._limits[language]

    def broken(self, signals: Mapping[str, Any], language: str) -> Iterator[Refusal]:
        """Every rule that a file in `language` breaks."""
        for rule, limit in self.limits(language):
            value = signals.get(rule.signal)
            if rule.breaks(value, limit):
                yield Refusal(rule.reason, rule.detail(value, limit))

    def drop(self, signals: Mapping[str, Any], language: str) -> Refusal | None:
        """The first rule that a file in `language` breaks, None if it may stay."""
        return next(self.broken(signals, language), None)


def describe(config: FilterConfig) -> list[str]:
    """What the rules in force drop, a line for all files and one for each language that differs."""
    common = {rule: limit for rule, limit in Filters(config).limits("") if limit is not False}
    lines = [f"drops {', '.join(rule.limit(limit) for rule, limit in common.items())}"]
    for language in config.languages:
        own = {rule: limit for rule, limit in Filters(config).limits(language) if limit is not False}
        changed = [rule.limit(limit) for rule, limit in own.items() if common.get(rule) != limit]
        gone = [f"no limit on {rule.signal}" for rule in common if rule not in own]
        if changed or gone:
            lines.append(f"{language}: {', '.join([*changed, *gone])}")
    return lines
