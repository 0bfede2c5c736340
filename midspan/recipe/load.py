"""Reading a recipe: preset or TOML file, `extends`, values from the command line, and errors that point at the line."""

import difflib
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from midspan.errors import MidspanError
from midspan.recipe.schema import Recipe

Table = dict[str, Any]

MAX_EXTENDS = 8


def presets() -> tuple[str, ...]:
    """Names of the recipes that come with the package, smallest model first."""
    return ("nano", "tiny", "mini", "small", "mellum-4b")


def load_recipe(source: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read the recipe `source`, the name of a preset or the path of a TOML file, and apply `overrides` ("a.b=value").

    Raises MidspanError naming file, line, key and allowed values for whatever is wrong with it.
    """
    origins, table = _read(source, depth=0)
    for override in overrides:
        key, value = _parse_override(override)
        _set(table, key, value)
    table.setdefault("name", Path(source).stem)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        set_keys = {_parse_override(override)[0] for override in overrides}
        problems = [_describe(detail, origins, set_keys) for detail in error.errors()]
        raise MidspanError("\n".join(problems)) from None


def _read(source: str, depth: int) -> tuple[list[tuple[str, str]], Table]:
    """The merged table of a recipe and what it extends, with (name, text) of each file, nearest first."""
    if depth > MAX_EXTENDS:
        raise MidspanError(f"{source}: recipes extend one another in a circle or more than {MAX_EXTENDS} deep")
    name, text = _text(source)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MidspanError(f"{name}: not valid TOML: {error}") from None
    base = table.pop("extends", None)
    if base is None:
        return [(name, text)], table
    if not isinstance(base, str):
        raise MidspanError(f"{name}:{_line_of(text, ('extends',))}: extends must be the name or path of one recipe")
    if base not in presets():
        base = str(Path(source).parent / base)
    origins, base_table = _read(base, depth + 1)
    base_table.pop("name", None)
    return [(name, text), *origins], _merge(base_table, table)


def _text(source: str) -> tuple[str, str]:
    if source in presets():
        return f"preset {source}", (resources.files("midspan.recipe") / "presets" / f"{source}.toml").read_text("utf-8")
    path = Path(source)
    try:
        return source, path.read_text("utf-8")
    except FileNotFoundError:
        close = difflib.get_close_matches(source, presets(), n=1)
        hint = f'did you mean "{close[0]}"? ' if close else ""
        raise MidspanError(
            f"no recipe {source}", f"{hint}give the path of a TOML file or a preset: {', '.join(presets())}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read the recipe {source}: {error}") from None


def _merge(base: Table, over: Table) -> Table:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _parse_override(override: str) -> tuple[tuple[str, ...], Any]:
    key, separator, value = override.partition("=")
    if not separator or not all(key.split(".")):
        raise MidspanError(f"--set {override}: expected section.key=value", "for example --set pretrain.tokens=1000000")
    try:
        return tuple(key.split(".")), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return tuple(key.split(".")), value


def _set(table: Table, key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise MidspanError(f"--set {'.'.join(key)}: {part} is a value, not a section")
        table = inner
    table[key[-1]] = value


def _describe(detail: ErrorDetails, origins: list[tuple[str, str]], set_keys: set[tuple[str, ...]]) -> str:
    """One line: where, which key, what is wrong, what is allowed."""
    path = _key_path(detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(path[:-1])
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
    key = ".".join(path) or "recipe"
    return f"{_place(path, origins, set_keys)}: {key}: {what}"


def _key_path(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys as the user wrote them: pydantic adds the tag of a union's member after an index, and "[key]"."""
    parts = [str(part) for part in location if part != "[key]"]
    return tuple(part for i, part in enumerate(parts) if i == 0 or not parts[i - 1].isdigit() or i == len(parts) - 1)


def _place(path: tuple[str, ...], origins: list[tuple[str, str]], set_keys: set[tuple[str, ...]]) -> str:
    if any(path[: len(key)] == key[: len(path)] for key in set_keys):
        return "--set"
    for name, text in origins:
        line = _line_of(text, path)
        if line:
            return f"{name}:{line}"
    return origins[0][0]


def _line_of(text: str, path: tuple[str, ...]) -> int:
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


def _allowed_keys(path: tuple[str, ...]) -> list[str]:
    """Keys of the section at `path`; for a choice of sections, the keys of all of them."""
    models: list[type[BaseModel]] = [Recipe]
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
