"""Train, validation and test by project: no project has files in two splits.

Projects are drawn in the order of sha256(seed, project), so that adding one moves few others. Held out are projects of
a size that suits measuring: not larger than a tenth of the corpus, so that training keeps the bulk, and not smaller
than a two-thousandth, so that a draw of few projects is not a handful of lines; others only where those do not suffice.
"""

import hashlib
from collections.abc import Mapping

from midspan.errors import MidspanError

LARGEST_SHARE = 1 / 10
SMALLEST_SHARE = 1 / 2_000


def split_projects(sizes: Mapping[str, int], seed: int, valid_share: float, test_share: float) -> dict[str, str]:
    """Map each project (name -> bytes of text) to `train`, `valid` or `test`, at least one project in each.

    Raises MidspanError with fewer than three projects: files of one project must not be on both sides of a split.
    """
    if len(sizes) < 3:
        names = ", ".join(sorted(sizes))
        raise MidspanError(
            f"the corpus has {len(sizes)} project{'s' if len(sizes) != 1 else ''} ({names}); train, valid and test"
            " need one each",
            "add sources, or set split = true on a folder that holds several projects; files of one project are never"
            " divided among splits",
        )
    total = sum(sizes.values())

    def order(name: str) -> tuple[int, str]:
        share = sizes[name] / max(1, total)
        unsuited = 2 if share > LARGEST_SHARE else 1 if share < SMALLEST_SHARE else 0
        return unsuited, hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest()

    test = max(1, round(test_share * len(sizes)))
    valid = max(1, round(valid_share * len(sizes)))
    while test + valid >= len(sizes):
        test, valid = max(1, test - 1), max(1, valid - 1)
    ordered = sorted(sizes, key=order)
    held_out = dict.fromkeys(ordered[:test], "test") | dict.fromkeys(ordered[test : test + valid], "valid")
    return {name: held_out.get(name, "train") for name in sorted(sizes)}
