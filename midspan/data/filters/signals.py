"""The quality signals of a file: measured once, stored as columns beside its text, judged by the rules afterwards.

Every file is measured by size, characters, lines, path and first lines. What takes longer, its code, its repetitions
and its parse errors, is measured only of files that nothing else dropped (`data.measure`), many at a time.

All signals are functions of text, path and language. Cost in MB/s and core: cheap ones 76, code 18, repetition 35,
parsing 9 (`benchmarks/data_signals.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args

import pyarrow as pa

from midspan.data.filters.characters import Characters, characters
from midspan.data.filters.code import Code, code
from midspan.data.filters.lexer import lex
from midspan.data.filters.lines import Lines, lines
from midspan.data.filters.origin import Origin, origin
from midspan.data.filters.repetition import Repetition, repetitions
from midspan.syntax.languages import LANGUAGES
from midspan.syntax.parse import error_count

Signals = dict[str, Any]
"""Signal -> value, None where it was not measured or the language has no such thing."""

CHEAP_GROUPS = (Characters, Lines, Origin)
DEAR_GROUPS = (Code, Repetition)
PARSE_ERRORS = "parse_errors"
_ARROW_TYPES: dict[Any, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def cheap_signals(text: str, path: str, language: str) -> Signals:
    """What is measured of every file."""
    measured = text_signals(text)
    return measured | origin_signals(text, path, language, measured)


def text_signals(text: str) -> Signals:
    """Those of the cheap signals that the text alone decides."""
    data = text.encode()
    return {"bytes": len(data), **_together((characters(text, data), lines(text)))}


def origin_signals(text: str, path: str, language: str, measured: Signals) -> Signals:
    """Those of the cheap signals that path and language decide as well; `measured` are those of the text."""
    return vars(origin(text, path, language, measured["mean_line_length"]))


def dear_signals(texts: Sequence[str], languages: Sequence[str], parse: bool) -> Iterator[Signals]:
    """What takes long to measure, of many files at a time; parse errors only if asked for."""
    datas = [text.encode() for text in texts]
    for text, data, language, repeated in zip(texts, datas, languages, repetitions(datas), strict=True):
        errors = error_count(data, LANGUAGES[language]) if parse and language in LANGUAGES else None
        yield _together((code(text, language, lex(text, language)), repeated)) | {PARSE_ERRORS: errors}


def signals(text: str, path: str, language: str, parse: bool = True) -> Signals:
    """All that is measured of a file."""
    (dear,) = dear_signals([text], [language], parse)
    return cheap_signals(text, path, language) | dear


def _together(groups: Sequence[Any]) -> Signals:
    return {name: value for group in groups for name, value in vars(group).items()}


@cache
def cheap_columns() -> dict[str, pa.DataType]:
    """The cheap signals as columns of a table; the size aside, which every table of files has already."""
    return _columns(CHEAP_GROUPS)


@cache
def dear_columns() -> dict[str, pa.DataType]:
    """The dear signals as columns of a table."""
    return _columns(DEAR_GROUPS) | {PARSE_ERRORS: pa.int64()}


def columns() -> dict[str, pa.DataType]:
    """All signals as columns of a table."""
    return cheap_columns() | dear_columns()


def _columns(groups: Sequence[Any]) -> dict[str, pa.DataType]:
    found = {each.name: each.type for group in groups for each in fields(group)}
    kinds = {
        name: next(part for part in get_args(kind) if part is not NoneType) if isinstance(kind, UnionType) else kind
        for name, kind in found.items()
    }
    return {name: _ARROW_TYPES[kind] for name, kind in kinds.items()}
