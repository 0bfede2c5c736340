"""What is wrong with a TOML file, in words: file, line, key, and what is allowed there."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from midspan.errors import MidspanError

Origins = Sequence[tuple[str, str]]
"""(name, text) of the files that a table was merged from, the nearest first."""


class Over(NamedTuple):
    """Keys that were set over those of the files, and what set them: "--set", "command line"."""

    keys: frozenset[tuple[str, ...]]
    setter: str


def invalid(error: ValidationError, model: type[BaseModel], origins: Origins, over: Over) -> MidspanError:
    """The error of a table that is no `model`, one line for each problem."""
    return MidspanError("\n".join(_describe(detail, model, origins, over) for detail in error.errors()))


def _describe(detail: ErrorDetails, model: type[BaseModel], origins: Origins, over: Over) -> str:
    """One line: where, which key, what is wrong, what is allowed."""
    path = _key_path(detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(model, path[:-1])
        close = difflib.get_close_matches(path[-1], allowed, n=1)
        what = "unknown key" + (f'; did you mean "{close[0]}"?' if close else "") + f" Allowed: {', '.join(allowed)}"
    elif kind == "union_tag_invalid":
        path = (*path, detail["ctx"]["discriminator"].strip("'"))
        what = f"is {detail['ctx']['tag']!r}, should be one of {detail['ctx']['expected_tags']}"
    elif kind == "missing":
        what = "is missing"
    elif kind == "value_error":
        what = detail["msg"].removeprefix("Value error, ")
    else:
        message = detail["msg"].removeprefix("Input should be ")
        what = f"is {detail['input']!r}, should be {message}"
    key = ".".join(path) or "file"
    return f"{_place(path, origins, over)}: {key}: {what}"


def _key_path(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys as the user wrote them: pydantic adds the tag of a union's member after an index, and "[key]"."""
    parts = [str(part) for part in location if part != "[key]"]
    return tuple(part for i, part in enumerate(parts) if i == 0 or not parts[i - 1].isdigit() or i == len(parts) - 1)


def _place(path: tuple[str, ...], origins: Origins, over: Over) -> str:
    if any(path[: len(key)] == key[: len(path)] for key in over.keys):
        return over.setter
    for name, text in origins:
        line = line_of(text, path)
        if line:
            return f"{name}:{line}"
    return origins[0][0]


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Line (from 1) where the TOML `text` sets the key `path`, or the longest part of it; 0 if nowhere.

    tomllib keeps no positions. This scan knows table headers, bare and quoted keys; it may miss a key inside an inline
    table, and then answers the line of the table.
    """
    wanted = tuple(part for part in path if not part.isdigit())
    best, best_line = 0, 0
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            section = _keys(header[1])
            here = section
        else:
            assignment = re.match(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=", line)
            if not assignment:
                continue
            here = (*section, *_keys(assignment[1]))
        if here == wanted[: len(here)] and len(here) > best:
            best, best_line = len(here), number
    return best_line


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _allowed_keys(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Keys of the section at `path`; for a choice of sections, the keys of all of them."""
    models = [model]
    for part in path:
        if part.isdigit():
            continue
        inner = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if inner:
            models = [model for annotation in inner for model in _models_in(annotation)]
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
