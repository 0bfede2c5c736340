"""What the three training stages do before the loop: read the corpus and the tokenizer, prepare validation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from midspan.data.corpus import Document, documents
from midspan.prompt.formats import Format, detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import TrainConfig
from midspan.recipe.stage import StageContext
from midspan.train import parallel
from midspan.train.loop import spread_evenly
from midspan.train.losses import cross_entropy_sum
from midspan.train.parallel import Devices
from midspan.train.rows import Batch, Rows
from midspan.train.validation import Validation, make_validation


@dataclass(frozen=True)
class Setup:
    """Everything the stages share; `width` is the tokens of a row, one more than the sequence length."""

    devices: Devices
    tokenizer: Tokenizer
    tokenizer_json: str
    format: Format
    validation: Validation
    width: int


def prepare(context: StageContext, config: TrainConfig) -> Setup:
    """Start the devices and read what every stage reads."""
    devices = parallel.start(context.recipe.parallel, config, context.progress)
    path = context.inputs["tokenizer"] / "tokenizer.json"
    tokenizer = Tokenizer.load(path)
    width = config.sequence_length + 1
    with devices.first_goes_first():
        validation = make_validation(
            documents(context.inputs["data"], "valid"),
            tokenizer,
            limit=config.valid_bytes,
            width=width,
            micro_batch=config.micro_batch,
            folder=context.resume / "validation",
        )
    return Setup(devices, tokenizer, path.read_text(encoding="utf-8"), detect_format(tokenizer), validation, width)


def training_documents(context: StageContext) -> list[Document]:
    """The training split."""
    return list(documents(context.inputs["data"], "train"))


@dataclass(frozen=True)
class LanguageModelling:
    """The objective of pretrain and sft: next-token prediction over the rows, once each, in the order `order`."""

    rows: Rows
    order: NDArray[np.int64]
    rows_per_step: int
    micro_batch: int

    @property
    def steps(self) -> int:
        """The last step may have fewer rows."""
        return -(-len(self.rows) // self.rows_per_step)

    def batches(self, step: int, devices: Devices) -> list[Batch]:
        """See `Objective`."""
        start = step * self.rows_per_step
        numbers = self.order[start : start + self.rows_per_step].tolist()
        return [self.rows.batch(share) for share in spread_evenly(numbers, self.micro_batch, devices)]

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """See `Objective`."""
        return cross_entropy_sum(model, batch), {}


def row_order(rows: Rows, seed: int) -> NDArray[np.int64]:
    """A permutation of the rows: neighbours hold parts of the same file, and a step wants different ones."""
    return np.random.default_rng(seed).permutation(len(rows))


def rows_per_step(config: TrainConfig) -> int:
    """Rows of one optimizer step."""
    return max(1, round(config.batch_tokens / config.sequence_length))
