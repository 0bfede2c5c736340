import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from train_samples import form, of_split, tokenizer

from midspan.data.corpus import Document
from midspan.errors import MidspanError
from midspan.recipe.schema import FimConfig
from midspan.train.packing import best_fit, plain_rows, pretrain_rows, shuffled
from midspan.train.rows import COUNTED, IGNORED, PADDING, Segment, document_mask, document_positions, write_rows

WIDTH = 65


def rows_of(documents, rate=0.5, rows=20, seed=0, mask=True, psm=0.0):
    fim = FimConfig(rate=rate, psm_share=psm)
    return list(
        pretrain_rows(documents, tokenizer(), form(), fim, seed=seed, width=WIDTH, rows=rows, document_mask=mask)
    )


def document(text, name="a.py"):
    return Document("p", name, "python", text, "MIT", "here", name, "train")


def test_every_row_is_full_and_the_number_is_as_asked():
    rows = rows_of(of_split("train"), rows=50)
    assert len(rows) == 50
    assert {sum(len(segment.ids) for segment in row) for row in rows} == {WIDTH}


def test_without_fim_the_rows_are_the_documents_one_after_the_other():
    documents = of_split("train")[:6]
    end = tokenizer().special("<|endoftext|>")
    stream = [id for row in rows_of(documents, rate=0, rows=40) for segment in row for id in segment.ids]
    expected = []
    for epoch in range(10):
        for each in shuffled(documents, 0, epoch):
            expected += [*tokenizer().encode(each.text), end]
    assert stream == expected[: len(stream)]


def unrearranged(ids):
    """The text of a FIM piece in suffix-prefix-middle order."""
    text = tokenizer()
    suffix, prefix, middle = (
        ids.index(text.special(name)) for name in ("<fim_suffix>", "<fim_prefix>", "<fim_middle>")
    )
    assert (suffix, ids[-1]) == (0, text.special("<|endoftext|>"))
    parts = ids[prefix + 1 : middle], ids[middle + 1 : -1], ids[1:prefix]
    return b"".join(text.token_bytes(id) for part in parts for id in part)


@given(st.lists(st.text(min_size=1, max_size=400), min_size=1, max_size=4), st.integers(0, 5))
def test_fim_loses_no_byte_of_a_document(texts, seed):
    documents = [document(text, f"{number}.py") for number, text in enumerate(texts)]
    size = sum(len(text.encode()) for text in texts)
    rows = rows_of(documents, rate=1.0, seed=seed, rows=size // WIDTH + 8)
    middle, end = tokenizer().special("<fim_middle>"), tokenizer().special("<|endoftext|>")
    stream = b""
    for row in rows:
        for segment in row:
            ids = list(segment.ids)
            if middle in ids:
                stream += unrearranged(ids)
            else:
                stream += b"".join(tokenizer().token_bytes(id) for id in ids if id != end)
    whole = "".join(each.text for epoch in range(500) for each in shuffled(documents, seed, epoch)).encode()
    assert stream == whole[: len(stream)]
    assert len(stream) >= size


def test_half_of_the_pieces_are_rearranged():
    segments = [segment for row in rows_of(of_split("train"), rows=400) for segment in row if len(segment.ids) >= 40]
    share = np.mean([tokenizer().special("<fim_middle>") in segment.ids for segment in segments])
    assert 0.4 < share < 0.6


def test_order_depends_on_seed_and_epoch_but_not_on_the_order_given():
    documents = of_split("train")
    assert shuffled(documents, 1, 0) == shuffled(documents[::-1], 1, 0)
    assert shuffled(documents, 1, 0) != shuffled(documents, 1, 1)
    assert shuffled(documents, 1, 0) != shuffled(documents, 2, 0)
    assert rows_of(documents, seed=3) == rows_of(documents[::-1], seed=3)
    assert rows_of(documents, seed=3) != rows_of(documents, seed=4)


def test_no_text_is_an_error_and_not_an_endless_loop():
    with pytest.raises(MidspanError, match="no text"):
        rows_of([document("")])


@given(st.lists(st.integers(1, 20), max_size=60))
def test_best_fit_keeps_every_segment_whole(sizes):
    segments = [Segment([number] * size) for number, size in enumerate(sizes)]
    rows = list(best_fit(segments, 20))
    assert sorted(segment.ids[0] for row in rows for segment in row) == list(range(len(sizes)))
    assert all(sum(len(segment.ids) for segment in row) <= 20 for row in rows)


def test_rows_come_back_from_disk_with_their_flags(tmp_path):
    made = [[Segment([5, 6, 7]), Segment([8, 9, 10, 11], counted_from=2)], [Segment([1] * 9)], [Segment([3, 4])]]
    rows = write_rows(made, 9, 0, tmp_path / "rows")
    assert rows.tokens.tolist() == [[5, 6, 7, 8, 9, 10, 11, 0, 0], [1] * 9, [3, 4] + [0] * 7]
    assert (rows.flags[0] & PADDING > 0).tolist() == [False] * 7 + [True] * 2
    batch = rows.batch([0])
    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 10]]
    assert batch.targets.tolist() == [[6, 7, IGNORED, IGNORED, 10, 11]]
    assert batch.positions.tolist() == [[0, 1, 2, 0, 1, 2]]
    assert (batch.count, batch.tokens) == (4, 6)
    alone = rows.batch([2, -1])
    assert alone.mask is None
    assert (alone.ids.shape, alone.count) == ((2, 1), 1)
    again = write_rows(iter(()), 9, 0, tmp_path / "rows")
    assert len(again) == 3


def test_rows_left_half_written_are_made_again(tmp_path):
    def dies():
        yield [Segment([1, 2, 3])]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_rows(dies(), 4, 0, tmp_path / "rows")
    assert not (tmp_path / "rows").exists()
    assert len(write_rows([[Segment([1, 2])]], 4, 0, tmp_path / "rows")) == 1


def test_mask_is_block_diagonal_and_causal():
    starts = torch.tensor([[True, False, False, True, False]])
    mask = document_mask(starts)[0]
    assert mask.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]
    assert document_positions(starts).tolist() == [[0, 1, 2, 0, 1]]


def test_without_document_mask_every_token_counts(tmp_path):
    rows = write_rows(rows_of(of_split("train"), rows=10, mask=False), WIDTH, 0, tmp_path / "rows")
    batch = rows.batch(range(10))
    assert batch.mask is None
    assert batch.count == 10 * (WIDTH - 1)
    masked = write_rows(rows_of(of_split("train"), rows=10), WIDTH, 0, tmp_path / "masked").batch(range(10))
    assert masked.mask is not None
    assert masked.count < batch.count


def test_plain_rows_hold_the_text_and_nothing_else(tmp_path):
    documents = of_split("valid")
    rows = write_rows(plain_rows(documents, tokenizer(), WIDTH), WIDTH, 0, tmp_path / "rows")
    kept = sum(len(tokenizer().token_bytes(id)) for id in rows.tokens[rows.flags & PADDING == 0].tolist())
    assert kept == sum(len(each.text.encode()) for each in documents)
    starts = (rows.flags & COUNTED == 0) & (rows.flags & PADDING == 0)
    assert starts.sum() == sum(-(-len(tokenizer().encode(each.text)) // WIDTH) for each in documents)
