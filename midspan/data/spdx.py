"""SPDX licence expressions: their canonical form, how they are put together, and whether they are permissive.

Permissive means: on the Blue Oak Council's list at the configured tier or a better one. `blue_oak.json` holds the
identifiers of each tier of the npm package `@blueoak/list` 15.0.0 (https://blueoakcouncil.org/list), CC0-1.0.
"""

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any, Literal

from license_expression import ExpressionError, get_spdx_licensing

TIERS = ("model", "gold", "silver", "bronze", "lead")


@cache
def _licensing() -> Any:
    return get_spdx_licensing()


@cache
def normalise(expression: str) -> str:
    """The SPDX expression in canonical spelling, "" if it is empty or not valid."""
    try:
        parsed = _licensing().parse(expression.strip(), validate=True)
    except (ExpressionError, IndexError, AssertionError):  # the last two on malformed parentheses
        return ""
    return "" if parsed is None else str(parsed.render())


@cache
def permissive_ids(tier: str) -> frozenset[str]:
    """Identifiers on the Blue Oak list at `tier` and better."""
    tiers = json.loads(resources.files("midspan.data").joinpath("blue_oak.json").read_text(encoding="utf-8"))["tiers"]
    return frozenset(identifier for name in TIERS[: TIERS.index(tier) + 1] for identifier in tiers[name])


@cache
def is_permissive(expression: str, tier: str) -> bool:
    """Whether a licensee may act under permissive terms alone: OR needs one permissive side, AND all of them.

    An exception (WITH) only adds permissions, so the licence it modifies decides.
    """
    if not normalise(expression):
        return False
    return _holds(_licensing().parse(expression), permissive_ids(tier))


def _holds(node: Any, allowed: frozenset[str]) -> bool:
    licensing = _licensing()
    if isinstance(node, licensing.OR):
        return any(_holds(side, allowed) for side in node.args)
    if isinstance(node, licensing.AND):
        return all(_holds(side, allowed) for side in node.args)
    return getattr(node, "license_symbol", node).key in allowed


def join(expressions: Iterable[str], operator: Literal["AND", "OR"] = "AND") -> str:
    """All the expressions together, each once and in canonical form; "" if any of them is unknown."""
    known = sorted({normalise(expression) for expression in expressions})
    if not known or "" in known:
        return ""
    return normalise(f" {operator} ".join(f"({expression})" for expression in known))


@cache
def identifiers(expression: str) -> frozenset[str]:
    """The licences an expression names, exceptions (WITH) aside; none if it is not valid."""
    if not normalise(expression):
        return frozenset()
    symbols = _licensing().parse(expression).symbols
    return frozenset(getattr(symbol, "license_symbol", symbol).key for symbol in symbols)
