"""Reading a recipe: preset or TOML file, `extends`, values from the command line, and errors that point at the line."""

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from midspan.errors import MidspanError
from midspan.recipe.invalid import Over, invalid, line_of
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
        over = Over(frozenset(_parse_override(override)[0] for override in overrides), "--set")
        raise invalid(error, Recipe, origins, over) from None


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
        raise MidspanError(f"{name}:{line_of(text, ('extends',))}: extends must be the name or path of one recipe")
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
