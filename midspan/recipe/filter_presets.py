"""The published rule sets of the quality filters, as values of the thresholds in `midspan.recipe.filters`.

- `starcoder2`: StarCoder 2 and The Stack v2 (arXiv 2402.19173, section 3.1). Its limits on OWL and DOT files and its
  choice of plain-text files by name have no counterpart here.
- `opencoder`: OpenCoder's heuristic rules (arXiv 2411.04905, appendix A; github.com/OpenCoder-llm/opc_data_filtering).
  Two of its rules keep one file in five at random; here they keep none. Its rules on duplicated runs of 7 to 9 words
  cannot speak before that on 6 does. Left out: simple functions, names that break Java's conventions, test files of Go,
  the number of `main` functions in C.

A value marked "ours" is not published: the least and the greatest size of a file.
"""

from typing import Any

Values = dict[str, Any]

PUBLISHED: dict[str, tuple[Any, Any]] = {
    # threshold: (starcoder2, opencoder)
    "min_bytes": (64, 1),  # both ours
    "max_bytes": (1_000_000, 3_000_000),  # the first ours
    "drop_generated": (True, True),
    "drop_xml": (None, True),
    "min_characters": (None, 50),
    "min_words": (None, 30),
    "min_lines": (None, 10),
    "max_lines": (100_000, 100_000),
    "max_line_length": (1_000, 1_000),
    "min_mean_line_length": (None, 5.0),
    "max_mean_line_length": (100.0, 100.0),
    "min_alphabetic_share": (0.25, None),
    "min_visible_alphabetic_share": (None, 0.5),
    "max_visible_digit_share": (None, 0.2),
    "max_whitespace_share": (None, 0.5),
    "max_replacement_share": (None, 0.01),
    "max_encoded_share": (0.5, 0.5),
    "max_encoded_run": (1_024, 1_024),
    "min_mean_word_length": (None, 2.0),
    "max_mean_word_length": (None, 10.0),
    "max_comment_share": (None, 0.8),
    "max_string_share": (None, 0.6),
    "max_long_word_share": (None, 0.4),
    "max_long_string_share": (None, 0.2),
    "max_hex_share": (None, 0.4),
    "max_todo_share": (None, 0.01),
    "max_assert_share": (None, 0.4),
    "max_duplicate_line_share": (None, 0.7),
    "max_top_2gram_share": (None, 0.20),
    "max_top_3gram_share": (None, 0.18),
    "max_top_4gram_share": (None, 0.16),
    "max_duplicate_5gram_share": (None, 0.8),
    "max_duplicate_6gram_share": (None, 0.7),
    "max_duplicate_10gram_share": (None, 0.6),
}
"""For files in any language. None: the rule set has no such rule."""

_LONG_LINES: Values = {"max_line_length": 100_000, "max_mean_line_length": None}
_DATA: Values = {"max_lines": 512}
_VISIBLE: Values = {"min_text_share": 0.2, "min_text_characters": 100}
_STARCODER2: dict[str, Values] = {
    "html": _LONG_LINES | _VISIBLE,
    "json": _LONG_LINES | _DATA,
    "markdown": _LONG_LINES,
    "yaml": _DATA,
}

_NO_STRINGS: Values = dict.fromkeys(("max_string_share", "max_long_string_share", "max_todo_share", "max_assert_share"))
_LITTLE_LOGIC: Values = {"max_function_share": 0.2, "max_no_logic_share": 0.5, "max_print_share": 0.4}
_OPENCODER: dict[str, Values] = {
    **dict.fromkeys(("c", "cpp"), _LITTLE_LOGIC),
    **dict.fromkeys(("java", "csharp"), _LITTLE_LOGIC | {"drop_without_assignment": True}),
    "go": _LITTLE_LOGIC | {"drop_without_assignment": True, "max_assert_share": None},
    "javascript": _LITTLE_LOGIC | {"drop_without_assignment": True, "max_parse_errors": 0},
    "python": _LITTLE_LOGIC
    | {"drop_without_assignment": True, "max_parse_errors": 0, "max_pass_share": 0.05, "max_import_share": 0.3},
    "bash": _NO_STRINGS | {"max_todo_share": 0.01},
    "sql": {"max_visible_digit_share": 0.3},
    "html": _NO_STRINGS
    | _VISIBLE
    | dict.fromkeys(("max_comment_share", "max_long_word_share"))
    | dict.fromkeys(("max_duplicate_5gram_share", "max_duplicate_6gram_share"), 0.6)
    | {"max_parse_errors": 0},
    **dict.fromkeys(("json", "yaml", "toml"), _NO_STRINGS | {"max_characters": 5_000, "min_unique_word_share": 0.4}),
}

PRESETS: dict[str, tuple[Values, dict[str, Values]]] = {
    "starcoder2": ({name: values[0] for name, values in PUBLISHED.items()}, _STARCODER2),
    "opencoder": ({name: values[1] for name, values in PUBLISHED.items()}, _OPENCODER),
}
"""Of each rule set the thresholds for all files, and those of single languages that replace them."""
