"""From what the user names as the model to one file or directory: a run, one of its stages, a Hugging Face directory or
name, a GGUF file. Nothing is loaded here, and nothing that could run code on loading (pickle) is accepted.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from midspan.engine import hf_cache
from midspan.errors import MidspanError
from midspan.recipe.schema import PromptConfig

STAGES = ("export", "dpo", "sft", "pretrain")
"""Stages of a run that hold a model, the one nearest to its end first."""
GGUF_ORDER = ("model-q8_0.gguf", "model-f16.gguf", "model-f32.gguf")
"""Files of an export stage, the fastest on a CPU first."""
WEIGHTS_AND_SETTINGS = {".gguf", ".json", ".safetensors"}
"""Endings of the files that a model depends on."""
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
ACCEPTED = "give a run's name, a Hugging Face directory or org/name, a .gguf file or an http(s) URL"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelPath:
    """A GGUF file or a Hugging Face directory, the name to show, and the prompt settings of its run if it has one."""

    name: str
    path: Path
    prompt: PromptConfig | None = None


def locate(model: str, runs: Path, *, hf: bool = False) -> ModelPath:
    """Find the model called `model`: a run in the directory `runs`, or else a path, or else a Hugging Face name.

    Of a run the finished stage nearest to its end is taken, of that the GGUF file, unless `hf` asks for the directory.
    Raises MidspanError if there is no such model, if the run is half-written, or if the model is in a pickle file.
    """
    path = next((path for path in (runs / model, Path(model)) if path.exists()), None)
    if path is None and hf_cache.is_name(model):
        return ModelPath(model, _downloaded(hf_cache.find(model)))
    if path is None:
        raise MidspanError(f"there is no model {model}: neither a run in {runs} nor a path", ACCEPTED)
    if path.is_file():
        return ModelPath(path.stem, _checked_file(path))
    if (path / "config.json").is_file():
        return ModelPath(path.name, _checked_directory(path))
    if path.name in STAGES and ((path / "manifest.json").is_file() or (path / "hf").is_dir()):
        if not (path / "manifest.json").is_file():
            raise MidspanError(f"{path} is half-written: it has no manifest.json", "build the run again")
        return _stage_model(path, hf)
    return _run_model(path, hf)


def content_digest(model: Path) -> str:
    """SHA-256 over names and contents of a model's files: weights, settings, vocabulary. About 1 GB/s."""
    digest = hashlib.sha256()
    files = [model] if model.is_file() else sorted(model.iterdir())
    for path in files:
        if path.suffix in WEIGHTS_AND_SETTINGS:
            with path.open("rb") as file:
                digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _downloaded(folder: Path) -> Path:
    """The model in a folder of the Hugging Face cache: the folder itself, or its only GGUF file."""
    files = sorted(folder.glob("*.gguf"))
    if files and not (folder / "config.json").is_file():
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise MidspanError(f"{folder} holds several models: {names}", "give the path of one of them")
        return files[0]
    return _checked_directory(folder)


def _checked_file(path: Path) -> Path:
    if path.suffix in PICKLES:
        raise MidspanError(f"{path} may be a pickle, which can run code when it is loaded", ACCEPTED)
    if path.suffix != ".gguf":
        raise MidspanError(f"{path} is not a model file", ACCEPTED)
    return path


def _checked_directory(path: Path) -> Path:
    if not any(path.glob("*.safetensors")):
        pickles = sorted(file.name for file in path.iterdir() if file.suffix in PICKLES)
        if pickles:
            raise MidspanError(
                f"{path} holds its weights as pickle ({pickles[0]}), which can run code when it is loaded",
                "convert the model to safetensors",
            )
        raise MidspanError(f"{path} holds no .safetensors weights", ACCEPTED)
    return path


def _run_model(run: Path, hf: bool) -> ModelPath:
    present = [run / stage for stage in STAGES if (run / stage).is_dir()]
    finished = [stage for stage in present if (stage / "manifest.json").is_file()]
    unfinished = [stage.name for stage in present if stage not in finished]
    if finished:
        if unfinished:
            _log.warning("%s: half-written stage left out: %s", run, ", ".join(unfinished))
        return _stage_model(finished[0], hf)
    if unfinished:
        raise MidspanError(
            f"{run} is half-written: stage {unfinished[0]} has no manifest.json",
            "finish it by building its recipe again",
        )
    if any(run.glob(".*.work")) or (run / "data").is_dir() or (run / "tokenizer").is_dir():
        raise MidspanError(f"the run {run} has no finished model yet", "let midspan build finish at least pretrain")
    raise MidspanError(f"{run} is neither a run nor a Hugging Face directory", ACCEPTED)


def _stage_model(stage: Path, hf: bool) -> ModelPath:
    files = [] if hf else [stage / name for name in GGUF_ORDER if (stage / name).is_file()]
    path = files[0] if files else stage / "hf"
    if not path.exists():
        raise MidspanError(f"the finished stage {stage} holds no model", "remove it and build the run again")
    return ModelPath(f"{stage.resolve().parent.name}/{stage.name}", path, _run_prompt(stage.parent))


def _run_prompt(run: Path) -> PromptConfig | None:
    """The prompt settings the run was fine-tuned with."""
    try:
        settings = json.loads((run / "sft" / "manifest.json").read_text(encoding="utf-8"))["settings"]
        return PromptConfig.model_validate(settings["prompt"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None
