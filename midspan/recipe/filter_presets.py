"""Published rule sets of the quality filters, as values of the thresholds in `midspan.recipe.schema`."""

from typing import Any

Values = dict[str, Any]

_LONG_LINES = {"max_line_length": 100_000, "max_mean_line_length": None}
_STARCODER2: tuple[Values, dict[str, Values]] = (
    {
        "max_lines": 100_000,
        "max_line_length": 1_000,
        "max_mean_line_length": 100.0,
        "min_alphabetic_share": 0.25,
        "max_encoded_share": 0.5,
        "max_encoded_run": 1_024,
        "drop_generated": True,
    },
    {
        "html": _LONG_LINES,
        "json": _LONG_LINES,
        "markdown": _LONG_LINES,
    },
)
PRESETS = {"starcoder2": _STARCODER2}
"""Each rule set: the thresholds for all files, then those of single languages."""
