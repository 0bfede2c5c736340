"""The manifest of a finished stage: what went in, what came out, with which code and how it went."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from midspan.errors import MidspanError
from midspan.recipe.disk import sync
from midspan.recipe.stage import Metrics

MANIFEST = "manifest.json"
LOGS = {"metrics.jsonl"}
"""Names of outputs that hold measured times: they say how a result came about and are no part of it."""
RESUME = "resume"
KEY_FILE = "resume.key"
NOT_OUTPUTS = frozenset({MANIFEST, f"{MANIFEST}.partial", RESUME, KEY_FILE})
"""What a work directory holds beside the stage's outputs."""


@dataclass(frozen=True)
class Output:
    """One file a stage wrote; `path` is relative to the stage directory."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`key` identifies the work (settings, code, inputs); `digest` identifies the result (all output files)."""

    stage: str
    key: str
    digest: str
    settings: dict[str, Any]
    code: str
    inputs: dict[str, str]
    outputs: tuple[Output, ...]
    metrics: Metrics
    started: str
    seconds: float
    machine: str


def hash_outputs(directory: Path) -> tuple[Output, ...]:
    """Every file below `directory` that is an output, in the order of paths, with its SHA-256."""
    return tuple(_hash(path, directory) for path in _outputs(directory))


def digest_of(outputs: tuple[Output, ...]) -> str:
    """SHA-256 over names and contents of the outputs, logs aside."""
    result = [(output.path, output.sha256) for output in outputs if Path(output.path).name not in LOGS]
    return hashlib.sha256(json.dumps(result).encode()).hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest and force it and the outputs it names to disk."""
    paths = [directory / output.path for output in manifest.outputs]
    for path in (*paths, *sorted({path.parent for path in paths})):
        sync(path)
    aside = directory / f"{MANIFEST}.partial"
    aside.write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")
    sync(aside)
    aside.rename(directory / MANIFEST)
    sync(directory)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a finished stage directory.

    Raises MidspanError if the directory is half-written: no manifest, or an output missing or of another size.
    """
    remedy = f"remove {directory} and build again"
    try:
        data = json.loads((directory / MANIFEST).read_text())
        manifest = Manifest(**{**data, "outputs": tuple(Output(**output) for output in data["outputs"])})
    except FileNotFoundError:
        raise MidspanError(f"{directory} is half-written: it has no {MANIFEST}", remedy) from None
    except (ValueError, TypeError, KeyError) as error:
        raise MidspanError(f"{directory / MANIFEST} is damaged: {error}", remedy) from None
    for output in manifest.outputs:
        path = directory / output.path
        size = path.stat().st_size if path.is_file() else None
        if size != output.bytes:
            found = "is missing" if size is None else f"has {size} bytes"
            raise MidspanError(f"{path} {found}, the manifest says {output.bytes} bytes", remedy)
    return manifest


def _outputs(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        first = path.relative_to(directory).parts[0]
        if path.is_file() and first not in NOT_OUTPUTS and not first.startswith("."):  # kept for speed, made again
            yield path


def _hash(path: Path, base: Path) -> Output:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Output(path.relative_to(base).as_posix(), path.stat().st_size, digest)
