"""Training sequences on disk: rows of equal width, read at random, so that a step's batch is found in O(1).

A row holds `sequence_length + 1` tokens: the inputs are all but its last, the targets all but its first. Beside each
token stands a byte of flags: it starts a document (the attention mask and the positions follow from that), it counts as
a target of the loss, it is padding. Five bytes per token, memory-mapped. Rows are made once per stage and survive a
kill: they appear under their name only when whole.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from midspan.recipe.disk import sync

START, COUNTED, PADDING = 1, 2, 4
IGNORED = -100
"""Target of a position that does not count."""


@dataclass(frozen=True)
class Segment:
    """Part of a row that attends only to itself; tokens from `counted_from` on count as targets."""

    ids: Sequence[int]
    counted_from: int = 1


@dataclass(frozen=True)
class Batch:
    """One micro-batch: `ids` and `targets` [B, T], and if documents are packed `starts` [B, T], true where one starts.

    `tokens` are the inputs that a token follows; `count` is what this batch adds to the divisor of the loss.
    """

    ids: Tensor
    targets: Tensor
    starts: Tensor | None
    tokens: int
    count: int

    @property
    def mask(self) -> Tensor | None:
        """Who sees whom [B, T, T]; None means causal attention over the whole row."""
        return None if self.starts is None else document_mask(self.starts)

    @property
    def positions(self) -> Tensor | None:
        """Positions within documents [B, T]; None means from the start of the row."""
        return None if self.starts is None else document_positions(self.starts)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        starts = None if self.starts is None else self.starts.to(device)
        return Batch(self.ids.to(device), self.targets.to(device), starts, self.tokens, self.count)


@dataclass(frozen=True)
class Rows:
    """A finished file of rows; both arrays are [N, sequence_length + 1]."""

    tokens: NDArray[np.int32]
    flags: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, numbers: Sequence[int]) -> Batch:
        """The rows of these numbers; -1 stands for a row of padding. Columns that are padding in all are left out."""
        safe = np.maximum(np.asarray(numbers), 0)
        absent = np.asarray(numbers)[:, None] < 0
        flags = np.where(absent, np.uint8(PADDING), self.flags[safe])
        width = max(2, int(np.flatnonzero(~(flags & PADDING).all(axis=0)).max(initial=1)) + 1)
        flags, tokens = flags[:, :width], self.tokens[safe][:, :width].astype(np.int64)
        counted = (flags[:, 1:] & COUNTED).astype(bool)
        # Padding stands at the end of a row, where causal attention hides it: it needs no document of its own.
        starts = (flags[:, :-1] & START).astype(bool)
        return Batch(
            ids=torch.from_numpy(tokens[:, :-1].copy()),
            targets=torch.from_numpy(np.where(counted, tokens[:, 1:], IGNORED)),
            starts=torch.from_numpy(starts) if starts[:, 1:].any() else None,
            tokens=int((flags[:, 1:] & PADDING == 0).sum()),
            count=int(counted.sum()),
        )


def document_mask(starts: Tensor) -> Tensor:
    """[B, T] (true where a document starts) -> [B, T, T], true where the row's token may see the column's."""
    documents = starts.long().cumsum(dim=1)
    length = starts.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=starts.device).tril()
    return (documents[:, :, None] == documents[:, None, :]) & causal


def document_positions(starts: Tensor) -> Tensor:
    """[B, T] (true where a document starts) -> [B, T], the distance from the start of the token's document."""
    places = torch.arange(starts.shape[1], device=starts.device).expand(starts.shape)
    return places - torch.where(starts, places, 0).cummax(dim=1).values


def write_rows(rows: Iterable[Sequence[Segment]], width: int, pad_id: int, folder: Path) -> Rows:
    """Write rows of segments, each padded to `width` tokens, to `folder`; a folder that is there is only opened."""
    if not folder.is_dir():
        aside = folder.with_name(folder.name + ".partial")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        with (aside / "tokens.i32").open("wb") as tokens, (aside / "flags.u8").open("wb") as flags:
            for row in rows:
                row_tokens, row_flags = _print_row(row, width, pad_id)
                tokens.write(row_tokens.tobytes())
                flags.write(row_flags.tobytes())
        (aside / "rows.json").write_text(json.dumps({"width": width}))
        for path in (*sorted(aside.iterdir()), aside):
            sync(path)
        aside.rename(folder)
    return open_rows(folder)


def open_rows(folder: Path) -> Rows:
    """Open what `write_rows` wrote."""
    width = json.loads((folder / "rows.json").read_text())["width"]
    if not (folder / "tokens.i32").stat().st_size:  # an empty file cannot be mapped
        return Rows(np.empty((0, width), np.int32), np.empty((0, width), np.uint8))
    return Rows(
        np.memmap(folder / "tokens.i32", np.int32, "r").reshape(-1, width),
        np.memmap(folder / "flags.u8", np.uint8, "r").reshape(-1, width),
    )


def _print_row(row: Sequence[Segment], width: int, pad_id: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    tokens = np.full(width, pad_id, np.int32)
    flags = np.full(width, PADDING, np.uint8)
    start = 0
    for segment in row:
        end = start + len(segment.ids)
        tokens[start:end] = segment.ids
        flags[start:end] = 0
        flags[start + segment.counted_from : end] = COUNTED
        flags[start] |= START
        start = end
    return tokens, flags
