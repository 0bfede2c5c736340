"""From documents to rows of tokens.

Pre-training: the documents of each epoch, in an order that is a function of (seed, epoch, content), are laid end to end
and cut where a row is full, and for a share of the pieces the row gets a FIM rearrangement of the piece (the blueprint:
files are cut into chunks of the context size, half of the files in a chunk are transformed). The piece is cut before it
is rearranged, so a middle never loses its prefix and suffix to another row. Every row is full: no token is wasted,
except that a piece's first token has nothing to be predicted from when documents do not see each other.

Fine-tuning: whole examples are put into the fullest open row that they fit into (best fit over OPEN_ROWS rows); with
examples of about half a row that leaves a fifth of the positions as padding, with short ones nearly none.

Cost: pre-training rows 250,000 tokens per second on one core, nearly all of it in the tokenizer.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from midspan.data.corpus import Document
from midspan.data.mix import occurrences
from midspan.errors import MidspanError
from midspan.fim.split import document_rng, random_split
from midspan.prompt.build import fim_document
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import FimConfig
from midspan.train.rows import Segment

OPEN_ROWS = 32
MIN_FIM_TOKENS = 32
"""Pieces shorter than this stay as they are: three parts of them would hold nothing."""
FIM_OVERHEAD = 8
"""Tokens a rearranged piece takes more: four control tokens, and about two at each cut."""

Row = list[Segment]


def shuffled(documents: Iterable[Document], seed: int, epoch: int) -> list[Document]:
    """A fixed random order: by a hash of seed, epoch and document, whatever order they come in."""
    return sorted(documents, key=lambda document: _shuffle_key(seed, epoch, document))


def shuffled_mix(documents: Iterable[Document], seed: int, epoch: int) -> list[tuple[int, Document]]:
    """The same for an epoch of the mix: (number, document), numbering each document's occurrences over all epochs."""
    found = [
        (number, document)
        for document in documents
        for number in occurrences(document.repeats, epoch, _phase(document))
    ]
    return sorted(found, key=lambda each: _shuffle_key(seed, *each))


def _phase(document: Document) -> float:
    digest = hashlib.sha256(f"phase\0{document_id(document)}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _shuffle_key(seed: int, epoch: int, document: Document) -> bytes:
    return hashlib.sha256(f"{seed}\0{epoch}\0{document_id(document)}".encode()).digest()


def document_id(document: Document) -> str:
    """What the document's randomness is keyed by."""
    return f"{document.sha256}\0{document.project}\0{document.path}"


def pretrain_rows(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    format: Format,
    fim: FimConfig,
    *,
    seed: int,
    width: int,
    rows: int,
    document_mask: bool,
) -> Iterator[Row]:
    """`rows` full rows of `width` tokens, from as many epochs as that takes. Raises MidspanError without documents."""
    if not any(document.text and document.repeats for document in documents):
        raise MidspanError("the training split holds no text", "add sources to [data]")
    made, row, room = 0, Row(), width
    for document in pieces(documents, tokenizer, format, fim, seed):
        while True:
            segment = document.take(room)
            if segment is None:
                break
            row.append(segment)
            room -= len(segment.ids)
            if room == 0:
                yield row if document_mask else [_joined(row)]
                made, row, room = made + 1, Row(), width
                if made == rows:
                    return


def pieces(
    documents: Sequence[Document], tokenizer: Tokenizer, format: Format, fim: FimConfig, seed: int
) -> Iterator["DocumentPieces"]:
    """The documents of epoch 0, 1, 2, ... of the mix without end; every occurrence of one is cut anew."""
    for epoch in count():
        for number, document in shuffled_mix(documents, seed, epoch):
            rng = document_rng(seed, number, document_id(document))
            yield DocumentPieces(document.text, tokenizer, format, fim, rng)


class DocumentPieces:
    """One document on its way into rows: `take` gives the next piece that fits."""

    def __init__(self, text: str, tokenizer: Tokenizer, format: Format, fim: FimConfig, rng: random.Random) -> None:
        self.tokenizer, self.format, self.fim, self.rng = tokenizer, format, fim, rng
        self.content = tokenizer.encode(text)
        self.end = tokenizer.special(format.end)
        self.taken = 0

    def take(self, room: int) -> Segment | None:
        """The next piece in at most `room` tokens, rearranged or not; None after the end token."""
        left = len(self.content) - self.taken
        if left < 0:
            return None
        if min(room, left) >= MIN_FIM_TOKENS and self.rng.random() < self.fim.rate:
            segment = self._rearranged(room)
            if segment is not None:
                return segment
        piece = self.content[self.taken : self.taken + room]
        self.taken += len(piece)
        if len(piece) < room:
            piece.append(self.end)
            self.taken += 1
        return Segment(piece)

    def _rearranged(self, room: int) -> Segment | None:
        """A FIM piece; None if its borders cut a character in two."""
        size = min(room - FIM_OVERHEAD, len(self.content) - self.taken)
        while size >= MIN_FIM_TOKENS - FIM_OVERHEAD:
            ids = self.content[self.taken : self.taken + size]
            try:
                text = b"".join(self.tokenizer.token_bytes(id) for id in ids).decode()
            except UnicodeDecodeError:
                return None
            psm = self.rng.random() < self.fim.psm_share
            printed = fim_document(self.tokenizer, self.format, random_split(text, self.rng), psm)
            if len(printed) <= room:
                self.taken += size
                if self.taken == len(self.content):
                    self.taken += 1  # the FIM piece ends with the end token, and so does the document
                return Segment(printed)
            size -= len(printed) - room
        return None


def _joined(row: Row) -> Segment:
    """The row as one document that sees all of itself."""
    return Segment([id for segment in row for id in segment.ids])


def plain_rows(documents: Iterable[Document], tokenizer: Tokenizer, width: int) -> Iterator[Row]:
    """Documents without FIM and end token, each cut into pieces of at most `width`, packed: for validation."""
    segments = (
        Segment(ids[start : start + width])
        for ids in (tokenizer.encode(document.text) for document in documents)
        for start in range(0, len(ids), width)
    )
    return best_fit(segments, width)


def best_fit(segments: Iterable[Segment], width: int) -> Iterator[Row]:
    """Put segments of at most `width` tokens into rows; the last rows come out when there are no more segments."""
    open_rows: list[tuple[int, Row]] = []
    for segment in segments:
        size = len(segment.ids)
        fitting = [index for index, (room, _) in enumerate(open_rows) if room >= size]
        if fitting:
            index = min(fitting, key=lambda index: open_rows[index][0])
            room, row = open_rows.pop(index)
            row.append(segment)
        else:
            room, row = width, [segment]
        open_rows.append((room - size, row))
        if len(open_rows) > OPEN_ROWS:
            fullest = min(range(len(open_rows)), key=lambda index: open_rows[index][0])
            yield open_rows.pop(fullest)[1]
    for _, row in open_rows:
        yield row
