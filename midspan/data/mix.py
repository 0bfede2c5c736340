"""The mix: how many times an epoch of pre-training shows each document.

The number is a real one. 2.5 means twice in one epoch and three times in the next; 0.3 once in about three epochs. So
nothing is thrown away, and the same file serves whatever the mix. The number depends on the document's source and
language alone:

- a source has `epochs` (1 if not named): all of its documents are shown as often;
- a language with the share p of the bytes, epochs counted, gets the share proportional to w * p^(1/T), its weight w and
  the temperature T (1 is the natural mix, larger values bring small languages up; Devlin et al. 2018 for languages
  of people, with T = 1.43);
- natural language (`NATURAL`) together gets `natural_share`, if that is set, and code the rest;
- no language is shown more than `max_repeats` times as often as its source: repeated data is worth nearly as much as
  new data up to about four times, then ever less (Muennighoff et al., arXiv 2305.16264). What it would have had beyond
  goes to the others of its kind.

The bytes of an epoch are those of the corpus, epochs counted, unless every language of a kind is at its limit.
"""

from collections.abc import Mapping
from math import floor
from typing import NamedTuple

from midspan.recipe.schema import MixConfig

NATURAL = frozenset({"markdown", "text"})
"""Languages of people rather than machines."""
DIGITS = 6


class Group(NamedTuple):
    """What the mix tells apart."""

    source: str
    language: str


def source_epochs(source: str, config: MixConfig) -> float:
    """The epochs of a source: by its own name, or that of its longest beginning up to a colon, as `environment`."""
    name = source
    while name not in config.epochs and ":" in name:
        name = name.rpartition(":")[0]
    return config.epochs.get(name, 1.0)


def repeats(sizes: Mapping[Group, int], config: MixConfig) -> dict[Group, float]:
    """Times an epoch shows the documents of each group (group -> bytes)."""
    epochs = {group: source_epochs(group.source, config) for group in sizes}
    languages: dict[str, float] = {}
    for group, size in sorted(sizes.items()):
        languages[group.language] = languages.get(group.language, 0.0) + size * epochs[group]
    factors = _factors({name: size for name, size in languages.items() if size}, config)
    return {group: round(epochs[group] * factors.get(group.language, 1.0), DIGITS) for group in sizes}


def occurrences(repeats: float, epoch: int, phase: float) -> range:
    """The numbers of a document's occurrences in an epoch, counted over all epochs; `phase`, from 0 to 1, is its own.

    Over any run of epochs there are as many as epochs times `repeats`, to within one.
    """
    return range(floor(repeats * epoch + phase), floor(repeats * (epoch + 1) + phase))


def _factors(languages: Mapping[str, float], config: MixConfig) -> dict[str, float]:
    """How much more often than its bytes say each language (name -> bytes, none of them 0) is shown."""
    total = sum(languages.values())
    natural = {name: size for name, size in languages.items() if name in NATURAL}
    code = {name: size for name, size in languages.items() if name not in NATURAL}
    if config.natural_share is None or not natural or not code:
        return _shared(languages, total, config)
    share = config.natural_share
    return _shared(natural, total * share, config) | _shared(code, total * (1 - share), config)


def _shared(languages: Mapping[str, float], room: float, config: MixConfig) -> dict[str, float]:
    """Divide `room` bytes among the languages; those that would pass the limit get that, the others what is left."""
    weights = {
        name: config.languages.get(name, 1.0) * size ** (1 / config.temperature) for name, size in languages.items()
    }
    factors: dict[str, float] = {}
    while weights:
        total = sum(weights.values())
        wanted = {name: room * weight / total / languages[name] if total else 0.0 for name, weight in weights.items()}
        beyond = [name for name, factor in wanted.items() if factor > config.max_repeats]
        if not beyond:
            return factors | wanted
        for name in beyond:
            factors[name] = config.max_repeats
            room -= config.max_repeats * languages[name]
            del weights[name]
    return factors
