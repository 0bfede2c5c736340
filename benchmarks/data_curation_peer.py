"""The peer of `data_curation.py`, run by the Python of an environment with datatrove: TEXTS (a folder), WORK."""

import sys

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.filters import GopherRepetitionFilter
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader, ParquetReader
from datatrove.pipeline.writers import JsonlWriter

CONFIG = MinhashConfig(n_grams=5, num_buckets=25, hashes_per_bucket=10)
TASKS = 2


def run(pipeline: list, work: str, name: str, tasks: int) -> None:  # type: ignore[type-arg]
    """One stage in as many processes as it has tasks."""
    LocalPipelineExecutor(pipeline, tasks=tasks, workers=min(tasks, TASKS), logging_dir=f"{work}/logs/{name}").run()


def main(texts: str, work: str) -> None:
    """Filter and redact, then the four stages of MinHash."""
    clean, signatures, buckets, remove = (f"{work}/{name}" for name in ("clean", "signatures", "buckets", "remove"))
    filters = [ParquetReader(texts), GopherRepetitionFilter(), PIIFormatter(), JsonlWriter(clean)]
    run(filters, work, "filter", TASKS)
    run([JsonlReader(clean), MinhashDedupSignature(signatures, CONFIG)], work, "signatures", TASKS)
    run([MinhashDedupBuckets(signatures, buckets, config=CONFIG)], work, "buckets", CONFIG.num_buckets)
    run([MinhashDedupCluster(buckets, remove, config=CONFIG)], work, "cluster", 1)
    run([JsonlReader(clean), MinhashDedupFilter(remove), JsonlWriter(f"{work}/output")], work, "write", TASKS)


if __name__ == "__main__":
    main(*sys.argv[1:])
