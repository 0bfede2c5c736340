"""The result of a cut, the source of its randomness, and the random cut of pre-training.

`random_split` is the character-level transformation of "Efficient Training of Language Models to Fill in the Middle"
(arXiv 2207.14255): two borders drawn uniformly, so that the three parts are of random size. Cost: linear in the text.
"""

import hashlib
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """A document in three parts: `prefix + middle + suffix` is the document, always.

    `start_kind` and `end_kind` name the kinds of the two cut points (a `CutKind`, or "character"), `unit` the piece
    whose end the middle reaches: block, statement, arguments, line, token, or "random".
    """

    prefix: str
    middle: str
    suffix: str
    start_kind: str
    end_kind: str
    unit: str


def document_rng(seed: int, epoch: int, document_id: str) -> random.Random:
    """The random generator of one document in one epoch, the same on every machine and in any order of documents."""
    key = f"{seed}\0{epoch}\0{document_id}".encode()
    return random.Random(int.from_bytes(hashlib.sha256(key).digest(), "big"))


def random_split(text: str, rng: random.Random) -> Split:
    """Cut `text` at two places drawn uniformly between its characters; the middle may be empty or the whole text."""
    start, end = sorted(_outside_line_break(text, rng.randint(0, len(text))) for _ in range(2))
    return Split(text[:start], text[start:end], text[end:], "character", "character", "random")


def _outside_line_break(text: str, point: int) -> int:
    return point - 1 if text[point - 1 : point + 1] == "\r\n" else point
