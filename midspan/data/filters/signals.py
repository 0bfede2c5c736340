"""The quality signals of a file: measured once, stored as columns beside its text, judged by the rules afterwards.

Every file is measured by size, characters, lines, path and first lines. What takes longer, its code, its repetitions
and its parse errors, is measured only of files that pass the gate: the loosest thresholds on the cheap signals that
the recipe or any rule set has. What fails there is dropped under each of them, so choosing another rule set, or other
thresholds within that bound, measures nothing again. Parsing comes last, and a recipe can do without it.

All signals are functions of text, path and language. Cost in MB/s and core: cheap ones 76, code 18, repetition 22,
parsing 9, all of them 4 (`benchmarks/data_signals.py`).
"""

from dataclasses import asdict, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args

import pyarrow as pa

from midspan.data.filters.characters import Characters, characters
from midspan.data.filters.code import Code, code
from midspan.data.filters.lexer import lex
from midspan.data.filters.lines import Lines, lines
from midspan.data.filters.origin import Origin, origin
from midspan.data.filters.repetition import Repetition, repetition
from midspan.data.filters.rules import Filters
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import error_count

Signals = dict[str, Any]
"""Signal -> value, None where it was not measured or the language has no such thing."""

CHEAP_GROUPS = (Characters, Lines, Origin)
DEAR_GROUPS = (Code, Repetition)
PARSE_ERRORS = "parse_errors"
_ARROW_TYPES: dict[Any, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def signals(text: str, path: str, language: str, gate: Filters | None = None) -> Signals:
    """Measure a file; what takes long only if it passes `gate`, if there is one."""
    data = text.encode()
    measured_lines = lines(text)
    measured: Signals = {
        "bytes": len(data),
        **asdict(measured_lines),
        **asdict(characters(text, data)),
        **asdict(origin(text, path, language, measured_lines.mean_line_length)),
    }
    if gate and gate.drop(measured, language):
        return dict.fromkeys(columns()) | measured
    measured |= asdict(code(text, language, lex(text, language))) | asdict(repetition(data))
    parses = language in LANGUAGES and (gate is None or gate.config.parse)
    return measured | {PARSE_ERRORS: error_count(data, LANGUAGES[language]) if parses else None}


@cache
def columns() -> dict[str, pa.DataType]:
    """The signals as columns of a table; the size aside, which every table of files has already."""
    found = {each.name: each.type for group in (*CHEAP_GROUPS, *DEAR_GROUPS) for each in fields(group)}
    kinds = {
        name: next(part for part in get_args(kind) if part is not NoneType) if isinstance(kind, UnionType) else kind
        for name, kind in found.items()
    }
    return {name: _ARROW_TYPES[kind] for name, kind in kinds.items()} | {PARSE_ERRORS: pa.int64()}
