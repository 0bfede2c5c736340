"""Bits per byte on held-out projects: comparable between tokenizers, unlike the loss per token.

Documents are read plainly, in pieces of the training length. The first token of a piece has nothing to be predicted
from; neither its bits nor its bytes count.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import nn

from midspan.data.corpus import Document
from midspan.errors import MidspanError
from midspan.prompt.tokenizer import Tokenizer
from midspan.train.losses import cross_entropy_sum
from midspan.train.packing import plain_rows
from midspan.train.parallel import Devices
from midspan.train.rows import COUNTED, Rows, write_rows


@dataclass(frozen=True)
class Validation:
    """Rows of held-out text and the bytes their counted targets stand for."""

    rows: Rows
    bytes: int
    micro_batch: int

    def bits_per_byte(self, model: nn.Module, devices: Devices) -> float:
        """Measure the model; every rank must call it."""
        numbers = list(range(devices.rank, len(self.rows), devices.world))
        numbers += [-1] * (-(-len(self.rows) // devices.world) - len(numbers))
        nats = 0.0
        with torch.no_grad():
            for start in range(0, len(numbers), self.micro_batch):
                batch = self.rows.batch(numbers[start : start + self.micro_batch]).to(devices.device)
                with devices.autocast():
                    nats += cross_entropy_sum(model, batch).item()
        return devices.sum(nats) / math.log(2) / self.bytes


def held_out(documents: Iterable[Document], limit: int) -> Iterator[Document]:
    """Documents in turn from every project, by their hashes within it, until `limit` bytes are reached."""
    projects: dict[str, list[Document]] = {}
    for document in sorted(documents, key=lambda document: (document.project, document.sha256, document.path)):
        projects.setdefault(document.project, []).append(document)
    used = 0
    for turn in zip_longest(*projects.values()):
        for document in turn:
            if document is not None and used < limit:
                used += len(document.text.encode())
                yield document


def make_validation(
    documents: Iterable[Document], tokenizer: Tokenizer, *, limit: int, width: int, micro_batch: int, folder: Path
) -> Validation:
    """Pack at most about `limit` bytes of `documents`. Raises MidspanError if there is nothing to measure."""
    rows = write_rows(plain_rows(held_out(documents, limit), tokenizer, width), width, 0, folder)
    sizes = np.array([len(tokenizer.token_bytes(id)) for id in range(tokenizer.vocab_size)])
    size = int(sizes[rows.tokens[(rows.flags & COUNTED) > 0]].sum())
    if not size:
        raise MidspanError("the validation split holds no text", "add projects to [data]")
    return Validation(rows, size, micro_batch)
