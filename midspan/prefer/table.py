"""`pairs.parquet`: one row per pair, with the ids DPO trains on and where everything came from.

Of each side: the text and its ids, its source (`sampled`, `shortened` or `truth`) and the temperature it was sampled at
(null for the truth), the judge's score and reason, and the hard check it failed ("" if none). `margin` is the
difference of the scores, 0 for a side that failed a check. `lineage` is a JSON object: the project, path, licence and
source of the file the case was cut from, as the corpus names them.
"""

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

SIDES = ("chosen", "rejected")
_SIDE_FIELDS = {
    "ids": pa.list_(pa.int32()),
    "text": pa.string(),
    "source": pa.string(),
    "temperature": pa.float64(),
    "score": pa.float64(),
    "reason": pa.string(),
    "failed": pa.string(),
}
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("case_id", "language", "kind", "unit", "project", "licence", "lineage")),
        ("prompt_ids", pa.list_(pa.int32())),
        *((f"{side}_{name}", kind) for side in SIDES for name, kind in _SIDE_FIELDS.items()),
        ("margin", pa.float64()),
        ("judge", pa.string()),
    ]
)


def write_pairs(rows: Iterable[Record], path: Path) -> None:
    """Write the rows of `pair_row`."""
    pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), path, compression="zstd")


def pair_row(pair: Pair, case: Case, sampled: Sampled, judge: str, tokenizer: Tokenizer, form: Format) -> Record:
    """The pair as a row."""
    lineage = {"project": case.project, "path": case.path, "licence": case.licence, "source": case.source}
    row: Record = {
        "case_id": case.id,
        "language": case.language,
        "kind": case.kind,
        "unit": case.unit,
        "project": case.project,
        "licence": case.licence,
        "lineage": json.dumps(lineage, sort_keys=True),
        "prompt_ids": sampled.prompt_ids,
        "margin": pair.margin,
        "judge": judge,
    }
    for side, candidate in zip(SIDES, (pair.chosen, pair.rejected), strict=True):
        row |= {
            f"{side}_ids": answer_ids(tokenizer, form, sampled.healed, candidate),
            f"{side}_text": candidate.text,
            f"{side}_source": candidate.source,
            f"{side}_temperature": None if candidate.source == "truth" else candidate.temperature,
            f"{side}_score": candidate.score,
            f"{side}_reason": candidate.reason,
            f"{side}_failed": candidate.failed,
        }
    return row


def answer_ids(tokenizer: Tokenizer, form: Format, healed: str, candidate: Candidate) -> list[int]:
    """The ids the engine would emit: the healed text and the candidate's, and the end token if the text is complete."""
    ids = tokenizer.encode(healed + candidate.text)
    return [*ids, tokenizer.special(form.end)] if candidate.complete else ids
