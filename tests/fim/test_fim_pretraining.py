"""Random FIM as pre-training uses it: which share of documents is rearranged, in which order, and that it is fixed."""

from functools import cache

import pytest

from midspan.data.corpus import Document
from midspan.fim.split import document_rng
from midspan.model.tokenizer import train_tokenizer
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import FimConfig
from midspan.train.packing import DocumentPieces, document_id

COUNT = 2_000
WIDTH = 1_024


@cache
def tokenizer():
    return Tokenizer.from_json(train_tokenizer([text(number) for number in range(50)], 300).to_str())


def text(number: int) -> str:
    return "".join(f"def f{number}_{line}(x):\n    return x + {line}\n" for line in range(6))


@cache
def printed(rate: float, psm_share: float, seed: int = 0, epoch: int = 0) -> tuple[str, ...]:
    """How each document is printed: "plain", "spm" or "psm"; a document is shorter than a row, so it is one piece."""
    fim = FimConfig(rate=rate, psm_share=psm_share)
    form = detect_format(tokenizer())
    orders = {tokenizer().special(form.suffix): "spm", tokenizer().special(form.prefix): "psm"}
    found = []
    for number in range(COUNT):
        document = Document("p", f"{number}.py", "python", text(number), "MIT", "here", str(number), "train")
        rng = document_rng(seed, epoch, document_id(document))
        segment = DocumentPieces(document.text, tokenizer(), form, fim, rng).take(WIDTH)
        assert segment is not None
        found.append(orders.get(segment.ids[0], "plain"))
    return tuple(found)


@pytest.mark.parametrize(("rate", "psm_share"), [(0.5, 0.0), (0.5, 0.3), (1.0, 1.0), (0.0, 0.5)])
def test_shares_of_documents_are_as_asked(rate, psm_share):
    orders = printed(rate, psm_share)
    assert abs(1 - orders.count("plain") / COUNT - rate) < 0.03
    assert abs(orders.count("psm") / COUNT - rate * psm_share) < 0.03
    if psm_share in (0, 1):
        assert ("psm" if psm_share == 0 else "spm") not in orders


def test_the_choice_depends_on_seed_epoch_and_document_alone():
    printed.cache_clear()
    first = printed(0.5, 0.3)
    printed.cache_clear()
    assert printed(0.5, 0.3) == first
    assert printed(0.5, 0.3, seed=1) != first
    assert printed(0.5, 0.3, epoch=1) != first
