"""Train, validation and test by project: no project has files in two splits, no family of related projects either.

Families, most of them one project, are drawn in the order of sha256(seed, first project), so that adding one moves few
others. Held out are those of a size that suits measuring: not larger than a tenth of the corpus, so that training keeps
the bulk, and not smaller than a two-thousandth, so that a draw of few projects is not a handful of lines; others only
where those do not suffice.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from midspan.errors import MidspanError

LARGEST_SHARE = 1 / 10
SMALLEST_SHARE = 1 / 2_000


def split_projects(
    sizes: Mapping[str, int],
    seed: int,
    valid_share: float,
    test_share: float,
    families: Iterable[Sequence[str]] = (),
) -> dict[str, str]:
    """Map each project (name -> bytes of text) to `train`, `valid` or `test`, at least one project in each.

    `families` are groups of projects, none in two of them, that must not be divided; names without a size are ignored.
    Raises MidspanError with fewer than three projects or families: files of one must not be on both sides of a split.
    """
    head_of = {name: min(family) for family in families for name in family}
    together: dict[str, list[str]] = {}
    for name in sorted(sizes):
        together.setdefault(head_of.get(name, name), []).append(name)
    if len(together) < 3:
        names = ", ".join(" + ".join(group) for group in together.values())
        raise MidspanError(
            f"the corpus has {len(together)} project{'s' if len(together) != 1 else ''} ({names}); train, valid and"
            " test need one each",
            "add sources, or set split = true on a folder that holds several projects; files of one project are never"
            " divided among splits",
        )
    bytes_of = {head: sum(sizes[name] for name in group) for head, group in together.items()}
    total = sum(bytes_of.values())

    def order(head: str) -> tuple[int, str]:
        share = bytes_of[head] / max(1, total)
        unsuited = 2 if share > LARGEST_SHARE else 1 if share < SMALLEST_SHARE else 0
        return unsuited, hashlib.sha256(f"{seed}\0{head}".encode()).hexdigest()

    test = max(1, round(test_share * len(together)))
    valid = max(1, round(valid_share * len(together)))
    while test + valid >= len(together):
        test, valid = max(1, test - 1), max(1, valid - 1)
    ordered = sorted(together, key=order)
    held_out = dict.fromkeys(ordered[:test], "test") | dict.fromkeys(ordered[test : test + valid], "valid")
    return {name: held_out.get(head_of.get(name, name), "train") for name in sorted(sizes)}
