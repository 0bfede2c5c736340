"""The thresholds of the quality filters: what a recipe can set, and what a rule set gives in its place."""

from typing import Any, Literal

from pydantic import Field, field_serializer, model_validator

from midspan.recipe.filter_presets import PRESETS
from midspan.recipe.section import Positive, PositiveFloat, Section, Share

Count = Positive | None
Mean = PositiveFloat | None
Part = Share | None
Switch = bool | None


class Thresholds(Section):
    """A file stays if it breaks none of these: `min_` is the least it may have, `max_` the most; None is no limit.

    What is measured is said by the signals of the same names, in `midspan.data.filters`.
    """

    min_bytes: Count = None
    max_bytes: Count = None
    drop_generated: Switch = None
    drop_vendored: Switch = None
    drop_fixtures: Switch = None
    drop_xml: Switch = None
    min_characters: Count = None
    max_characters: Count = None
    min_lines: Count = None
    max_lines: Count = None
    max_line_length: Count = None
    min_mean_line_length: Mean = None
    max_mean_line_length: Mean = None
    min_alphabetic_share: Part = None
    min_visible_alphabetic_share: Part = None
    min_alphanumeric_share: Part = None
    max_visible_digit_share: Part = None
    max_whitespace_share: Part = None
    max_replacement_share: Part = None
    max_encoded_share: Part = None
    max_encoded_run: Count = None
    min_words: Count = None
    min_mean_word_length: Mean = None
    max_mean_word_length: Mean = None
    min_unique_word_share: Part = None
    min_comment_share: Part = None
    max_comment_share: Part = None
    max_string_share: Part = None
    max_long_word_share: Part = None
    max_long_string_share: Part = None
    max_hex_share: Part = None
    max_todo_share: Part = None
    max_assert_share: Part = None
    max_print_share: Part = None
    max_import_share: Part = None
    max_pass_share: Part = None
    max_function_share: Part = None
    max_no_logic_share: Part = None
    drop_without_assignment: Switch = None
    max_data_share: Part = None
    max_duplicate_line_share: Part = None
    max_top_2gram_share: Part = None
    max_top_3gram_share: Part = None
    max_top_4gram_share: Part = None
    max_duplicate_5gram_share: Part = None
    max_duplicate_6gram_share: Part = None
    max_duplicate_10gram_share: Part = None
    min_text_share: Part = None
    min_text_characters: Count = None
    max_parse_errors: int | None = Field(default=None, ge=0)


class FilterConfig(Thresholds):
    """The thresholds in force: those of the preset, with what the recipe sets in their place.

    What is said of one language goes before what is said of all; on the same level the recipe goes before the preset.
    """

    preset: Literal["starcoder2", "opencoder"] = "starcoder2"
    """The published rule set that gives what is not set."""
    parse: bool = True
    """Count parse errors, which is a third of the work; without it `max_parse_errors` drops nothing."""
    min_bytes: Positive = 64
    max_bytes: Positive = 1_000_000
    languages: dict[str, Thresholds] = Field(default={})
    """Thresholds of single languages, by name."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset", "starcoder2") not in PRESETS:
            return given
        common, languages = PRESETS[given.get("preset", "starcoder2")]
        own = given.get("languages", {})
        if not isinstance(own, dict) or not all(isinstance(each, dict) for each in own.values()):
            return given
        merged = {name: languages.get(name, {}) | own.get(name, {}) for name in sorted({*languages, *own})}
        return common | given | {"languages": merged}

    @field_serializer("languages")
    def _as_given(self, languages: dict[str, Thresholds]) -> dict[str, Any]:
        return {name: thresholds.model_dump(exclude_unset=True) for name, thresholds in languages.items()}

    def of(self, language: str) -> Thresholds:
        """The thresholds for files in one language."""
        values = self.model_dump(include=set(Thresholds.model_fields))
        if language in self.languages:
            values |= self.languages[language].model_dump(exclude_unset=True)
        return Thresholds(**values)
