"""A leg of training on another machine: what a stage needs to be begun or to go on, in parts small enough to carry.

`pack` writes the resolved recipe, the finished stages that the stage reads, and what there is of the stage itself (its
newest checkpoint, or its results) as one tar stream, cut into parts of equal size, with an index that names the hash of
every part. `unpack` checks all parts before it changes anything, and puts each folder where `build` looks for it: then
the run goes on as if it had never moved, since batches are a function of the step. What is there already is never
overwritten by something else or something older.

Nothing is compressed again: the corpus is compressed Parquet, and weights do not compress.
"""

import io
import json
import shutil
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import tomli_w

from midspan.errors import MidspanError
from midspan.recipe.build import locked
from midspan.recipe.disk import sync
from midspan.recipe.graph import STAGES
from midspan.recipe.load import load_recipe
from midspan.recipe.manifest import KEY_FILE, RESUME, read_manifest
from midspan.recipe.parts import Part, PartWriter, check, joined
from midspan.recipe.schema import Recipe
from midspan.recipe.stage import CHECKPOINT, newest_checkpoint, step_of

FORMAT = 1
INDEX = "bundle.json"
RECIPE = "recipe.toml"
REMADE = ("rows", "validation")
"""What a stage keeps to resume and makes again, the same, from its inputs."""


@dataclass(frozen=True)
class Bundle:
    """The index of a bundle: `step` is that of the checkpoint it carries, 0 if it carries none."""

    run: str
    stage: str
    step: int
    parts: tuple[Part, ...]
    format: int = FORMAT


def pack(
    recipe: Recipe, runs: Path, stage: str, out: Path, *, part_bytes: int, inputs: bool = True, weights: bool = False
) -> Bundle:
    """Write the bundle of `stage` into the folder `out`, which must be empty or not there.

    Without `inputs` only the stage itself is packed, as on the way home. With `weights` its newest checkpoint is
    reduced to a Hugging Face directory in bfloat16, called `<stage>-step-<step>`: enough to use it, not to go on from
    it. Raises MidspanError if there is nothing to pack, an input is not finished, or another process builds the run.
    """
    run = runs / recipe.name
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MidspanError(f"{out} is not empty", "name a folder that is not there yet")
    with locked(run):
        work = run / f".{stage}.work"
        begun = newest_checkpoint(work / RESUME) if (work / KEY_FILE).exists() else None
        folders = [run / need for need in STAGES[stage].needs] if inputs else []
        for folder in folders:
            if not folder.is_dir():
                raise MidspanError(
                    f"stage {stage} reads stage {folder.name}, which run {recipe.name} does not have",
                    f"run `midspan {folder.name}` first, or pack an earlier stage",
                )
            read_manifest(folder)
        if (run / stage).is_dir():
            read_manifest(run / stage)
            folders.append(run / stage)
            begun = None
        if not folders and begun is None:
            raise MidspanError(f"run {recipe.name} has nothing of stage {stage}", "name a stage that was begun")
        if weights and begun is None:
            raise MidspanError(f"stage {stage} of run {recipe.name} has no checkpoint", "leave out --weights-only")
        out.mkdir(parents=True, exist_ok=True)
        if weights and begun is not None:
            folders.append(_weights(recipe, run, stage, begun, out))
        pieces = PartWriter(out, part_bytes)
        with tarfile.open(fileobj=cast(Any, pieces), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, RECIPE, as_toml(recipe).encode())
            for folder in folders:
                _add_tree(tar, folder, folder.name)
            if begun is not None and not weights:
                _add_work(tar, work, begun)
        parts = pieces.close()
    shutil.rmtree(out / "weights", ignore_errors=True)
    bundle = Bundle(recipe.name, stage, step_of(begun) if begun else 0, parts)
    aside = out / f"{INDEX}.partial"
    aside.write_text(json.dumps(asdict(bundle), indent=2) + "\n")
    sync(aside)
    aside.rename(out / INDEX)
    return bundle


def unpack(folder: Path, runs: Path) -> tuple[Bundle, list[str]]:
    """Put what the bundle in `folder` carries into `runs`: its index, and the names of the folders that are new.

    Raises MidspanError if a part is missing or damaged, if the run holds other results than the bundle's, or if it is
    further than the bundle.
    """
    bundle = read_index(folder)
    for part in bundle.parts:
        check(folder / part.name, part)
    run, aside = runs / bundle.run, runs / f".{bundle.run}.unpacking"
    with locked(run):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            with tarfile.open(fileobj=joined(folder, bundle.parts), mode="r|") as tar:
                tar.extractall(aside, filter="data")
            load_recipe(str(aside / RECIPE))
            arrived = sorted(path for path in aside.iterdir() if path.is_dir())
            new = [path for path in arrived if _is_new(path, run)]
            for path in new:
                shutil.rmtree(run / path.name, ignore_errors=True)  # an older checkpoint of the same work
                path.rename(run / path.name)
                _drop_work_of(run / path.name, run)
            (aside / RECIPE).replace(run / RECIPE)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return bundle, [path.name for path in new]


def read_index(folder: Path) -> Bundle:
    """The index of the bundle in `folder`. Raises MidspanError."""
    try:
        found = json.loads((folder / INDEX).read_text())
        if found["format"] != FORMAT:
            raise MidspanError(f"{folder} is of format {found['format']}, this midspan reads {FORMAT}", "upgrade it")
        bundle = Bundle(**{**found, "parts": tuple(Part(**part) for part in found["parts"])})
    except FileNotFoundError:
        raise MidspanError(f"{folder} holds no bundle: {INDEX} is missing", "bring all its files") from None
    except (ValueError, TypeError, KeyError) as error:
        raise MidspanError(f"{folder / INDEX} is damaged: {error}", "bring it again") from None
    names = [bundle.run, *(part.name for part in bundle.parts)]
    if bundle.stage not in STAGES or any(Path(name).name != name or name.startswith(".") for name in names):
        raise MidspanError(f"{folder / INDEX} names what no bundle holds", "bring it again")
    return bundle


def as_toml(recipe: Recipe) -> str:
    """The recipe as a file that `load_recipe` reads as the same: what differs from the defaults, in one piece."""
    return tomli_w.dumps(_set_values(recipe.model_dump(mode="json", exclude_defaults=True)))


def _set_values(table: dict[str, Any]) -> dict[str, Any]:
    """Without values that are None, which TOML does not know: only rule sets bring them, and bring them again."""
    return {
        key: _set_values(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def _weights(recipe: Recipe, run: Path, stage: str, checkpoint: Path, out: Path) -> Path:
    from midspan.train.resume import save_weights_of

    folder = out / "weights" / f"{stage}-step-{step_of(checkpoint)}"
    save_weights_of(checkpoint, recipe.model, (run / "tokenizer/tokenizer.json").read_text(encoding="utf-8"), folder)
    return folder


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _add_tree(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    """Every file below `folder` by name, without times and owners: the same bytes make the same parts."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        _add_file(tar, path, f"{name}/{path.relative_to(folder).as_posix()}")


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    with path.open("rb") as file:
        entry.size = path.stat().st_size
        tar.addfile(entry, file)


def _add_work(tar: tarfile.TarFile, work: Path, checkpoint: Path) -> None:
    """A work directory with one checkpoint and without what is made again."""
    for path in sorted(path for path in work.rglob("*") if path.is_file()):
        inner = path.relative_to(work).parts
        other = len(inner) > 1 and inner[0] == RESUME and inner[1] != checkpoint.name
        if other and (inner[1] in REMADE or inner[1].startswith(CHECKPOINT)):
            continue
        _add_file(tar, path, f"{work.name}/{'/'.join(inner)}")


def _is_new(arrived: Path, run: Path) -> bool:
    """Whether an unpacked folder is to be put into the run. Raises MidspanError where it may not be."""
    here = run / arrived.name
    if arrived.name in STAGES:
        if not here.is_dir():
            return True
        if read_manifest(here).digest != read_manifest(arrived).digest:
            raise MidspanError(
                f"{here} holds other results of stage {arrived.name} than the bundle",
                "unpack into another folder with --runs, or move it away",
            )
        return False
    stage = next((stage for stage in STAGES if arrived.name == f".{stage}.work"), None)
    if stage is None:
        return not here.exists()
    if (run / stage).is_dir():
        raise MidspanError(f"stage {stage} is finished here, the bundle holds a checkpoint of it", "there is no need")
    if not (here / KEY_FILE).exists():
        return True
    if (here / KEY_FILE).read_text() != (arrived / KEY_FILE).read_text():
        raise MidspanError(
            f"stage {stage} was begun here with other settings or inputs than the bundle's",
            f"unpack into another folder with --runs, or remove {here}",
        )
    ours, theirs = newest_checkpoint(here / RESUME), newest_checkpoint(arrived / RESUME)
    if ours is not None and theirs is not None and step_of(ours) > step_of(theirs):
        raise MidspanError(
            f"stage {stage} is at step {step_of(ours)} here, the bundle at step {step_of(theirs)}",
            f"remove {here} to go back",
        )
    return ours is None or theirs is None or step_of(ours) < step_of(theirs)


def _drop_work_of(placed: Path, run: Path) -> None:
    """The begun work of a stage whose results have come."""
    work = run / f".{placed.name}.work"
    if placed.name not in STAGES or not (work / KEY_FILE).exists():
        return
    if (work / KEY_FILE).read_text() == read_manifest(placed).key:
        shutil.rmtree(work)
