"""`pairs.parquet`: one row per pair, with the ids DPO trains on and where everything came from."""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from midspan.data.cases import Case
from midspan.engine.batch import Record
from midspan.prefer.pairs import Candidate, Pair
from midspan.prefer.sampling import Sampled
from midspan.prompt.formats import Format
from midspan.prompt.tokenizer import Tokenizer

SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("language", pa.string()),
        ("kind", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("chosen_ids", pa.list_(pa.int32())),
        ("rejected_ids", pa.list_(pa.int32())),
        ("chosen_text", pa.string()),
        ("rejected_text", pa.string()),
        ("chosen_score", pa.float64()),
        ("rejected_score", pa.float64()),
        ("judge", pa.string()),
        ("reason", pa.string()),
        ("lineage", pa.string()),
    ]
)


def write_pairs(rows: Iterable[Record], path: Path) -> None:
    """Write the rows of `pair_row`."""
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), path, compression="zstd")


def pair_row(pair: Pair, case: Case, sampled: Sampled, judge: str, tokenizer: Tokenizer, form: Format) -> Record:
    """The pair as a row; `lineage` is a JSON object."""
    lineage = {
        "project": case.project,
        "path": case.path,
        "licence": case.licence,
        "source": case.source,
        "chosen": _origin(pair.chosen),
        "rejected": _origin(pair.rejected),
    }
    return {
        "case_id": case.id,
        "language": case.language,
        "kind": case.kind,
        "prompt_ids": sampled.prompt_ids,
        "chosen_ids": answer_ids(tokenizer, form, sampled.healed, pair.chosen),
        "rejected_ids": answer_ids(tokenizer, form, sampled.healed, pair.rejected),
        "chosen_text": pair.chosen.text,
        "rejected_text": pair.rejected.text,
        "chosen_score": pair.chosen.value,
        "rejected_score": pair.rejected.value,
        "judge": judge,
        "reason": f"chosen: {_reason(pair.chosen)}; rejected: {_reason(pair.rejected)}",
        "lineage": json.dumps(lineage, sort_keys=True),
    }


def answer_ids(tokenizer: Tokenizer, form: Format, healed: str, candidate: Candidate) -> list[int]:
    """The ids the engine would emit: the healed text and the candidate's, and the end token if the text is complete."""
    ids = tokenizer.encode(healed + candidate.text)
    return [*ids, tokenizer.special(form.end)] if candidate.complete else ids


def _reason(candidate: Candidate) -> str:
    return f"fails the check '{candidate.failed}'" if candidate.failed else candidate.reason


def _origin(candidate: Candidate) -> str:
    return candidate.source if candidate.source == "truth" else f"{candidate.source} at {candidate.temperature:g}"
