"""Building a run: which stages are to be run, running one so that it is cached, atomic and resumable.

A stage works in `runs/<name>/.<stage>.work`. When it is done the manifest is written into it, what served only to
resume is removed, and the directory is renamed to `runs/<name>/<stage>`: at every moment the latter is either absent or
whole. A kill before the manifest leaves the work directory with all it has, marked with the key of the work: the next
build goes on in it, or throws it away if the work has changed. After a kill behind the manifest the next build only
publishes.
"""

import datetime
import hashlib
import os
import platform
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import midspan
from midspan.errors import MidspanError
from midspan.recipe.disk import sole
from midspan.recipe.graph import STAGES, Stage, key_of, settings_of
from midspan.recipe.manifest import (
    KEY_FILE,
    MANIFEST,
    RESUME,
    Manifest,
    digest_of,
    hash_outputs,
    read_manifest,
    write_manifest,
)
from midspan.recipe.progress import Progress
from midspan.recipe.schema import Recipe
from midspan.recipe.stage import StageContext


def build(
    recipe: Recipe,
    runs: Path,
    progress: Progress,
    finished: Callable[[Stage, Manifest, bool], None] | None = None,
    *,
    start: str | None = None,
) -> dict[str, Manifest]:
    """Run every stage that is missing or out of date; the manifests of all stages by name.

    `finished(stage, manifest, reused)` is called after each stage. Stages before `start` are taken as they stand: their
    sources need not be there any more.
    """
    manifests: dict[str, Manifest] = {}
    before = list(STAGES)[: list(STAGES).index(start)] if start else []
    with locked(runs / recipe.name):
        for stage in STAGES.values():
            if stage.name in before:
                manifest, reused = read_manifest(_finished(stage.name, runs / recipe.name)), True
            else:
                manifest, reused = _run(stage, recipe, runs / recipe.name, manifests, progress)
            manifests[stage.name] = manifest
            if finished:
                finished(stage, manifest, reused)
    return manifests


def run_stage(name: str, recipe: Recipe, runs: Path, progress: Progress) -> tuple[Manifest, bool]:
    """Run one stage, whose inputs must be finished; its manifest, and whether it was reused as it stood."""
    stage, run = STAGES[name], runs / recipe.name
    with locked(run):
        inputs = {need: read_manifest(_finished(need, run)) for need in stage.needs}
        return _run(stage, recipe, run, inputs, progress)


def _finished(stage: str, run: Path) -> Path:
    """The directory of a finished stage. Raises MidspanError if there is none."""
    if not (run / stage).exists():
        raise MidspanError(
            f"run {run.name} does not have stage {stage}, which is needed",
            f"run `midspan {stage}` first, or `midspan build` for all stages",
        )
    return run / stage


def _input_digests(stage: Stage, recipe: Recipe, manifests: dict[str, Manifest]) -> dict[str, str]:
    if stage.name == "data":
        stage.function()  # says which package to install if one is missing
        from midspan.data.guard import benchmark_files, benchmarks_folder
        from midspan.data.sources import fingerprint

        digests = {"sources": fingerprint(recipe.data.sources)}
        if recipe.data.opt_out:
            digests["opt_out"] = _file_digest("data.opt_out", recipe.data.opt_out)
        for benchmark in recipe.data.guard.benchmarks:
            for path in benchmark_files(benchmark, benchmarks_folder()):
                digests[f"benchmark {path.name}"] = _file_digest("data.guard.benchmarks", str(path))
        return digests
    digests = {need: manifests[need].digest for need in stage.needs}
    if stage.name == "prefer" and recipe.prefer.labels:
        digests["labels"] = _file_digest("prefer.labels", recipe.prefer.labels)
    return digests


def _file_digest(setting: str, path: str) -> str:
    try:
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MidspanError(
            f"{setting}: cannot read {path}: {error.strerror}", "correct the path in the recipe"
        ) from None


def _run(
    stage: Stage, recipe: Recipe, run: Path, manifests: dict[str, Manifest], progress: Progress
) -> tuple[Manifest, bool]:
    inputs = _input_digests(stage, recipe, manifests)
    key = key_of(stage, recipe, inputs)
    final, work = run / stage.name, run / f".{stage.name}.work"
    _finish_interrupted_publish(final, work)
    if final.exists():
        manifest = read_manifest(final)
        if manifest.key == key:
            return manifest, True
    function = stage.function()  # imports torch and the like, so not for a stage that is reused
    _prepare(work, key)
    progress.log(f"{stage.name}: {stage.title}")
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    context = StageContext(recipe, {need: run / need for need in stage.needs}, work, progress)
    metrics = function(context)
    outputs = hash_outputs(work)
    manifest = Manifest(
        stage=stage.name,
        key=key,
        digest=digest_of(outputs),
        settings=settings_of(stage, recipe),
        code=f"midspan {midspan.__version__}",
        inputs=inputs,
        outputs=outputs,
        metrics=metrics,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 3),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    )
    write_manifest(work, manifest)
    _publish(work, final)
    return manifest, False


def _prepare(work: Path, key: str) -> None:
    """Keep the work directory if it is of the same work, else start an empty one."""
    marker = work / KEY_FILE
    if marker.exists() and marker.read_text() == key:
        return
    marker.unlink(missing_ok=True)  # first, so that a directory removed in part is never gone on with
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    marker.write_text(key)


def _publish(work: Path, final: Path) -> None:
    """Put the whole work directory, its manifest written, in the place of the final one."""
    shutil.rmtree(work / RESUME, ignore_errors=True)
    (work / KEY_FILE).unlink(missing_ok=True)
    old = _replaced(final)
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    work.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _finish_interrupted_publish(final: Path, work: Path) -> None:
    """After a kill behind the manifest the work directory is whole: publish it now; leave nothing of the replaced."""
    if (work / MANIFEST).exists():
        _publish(work, final)
    shutil.rmtree(_replaced(final), ignore_errors=True)


def _replaced(final: Path) -> Path:
    """Where the directory that is being replaced waits for its removal."""
    return final.with_name(f".{final.name}.old")


def locked(run: Path) -> AbstractContextManager[None]:
    """Hold the run's lock, so that no two processes work on it at once; the run's directory is made if missing."""
    message = f"another process is building the run in {run}"
    return sole(run / ".lock", message, "wait for it, or give this run another name")
