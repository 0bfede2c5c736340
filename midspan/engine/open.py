"""`open_engine`: whatever the user calls a model, as a running Engine."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Awaitable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from pydantic import ValidationError

from midspan import __version__
from midspan.engine.calibration import read_calibration
from midspan.engine.llama_cpp import open_llama_cpp
from midspan.engine.locate import content_digest, locate
from midspan.engine.openai import open_openai
from midspan.engine.protocol import Engine, default_prompt
from midspan.engine.replicas import open_replicas
from midspan.engine.torch_engine import open_torch
from midspan.errors import MidspanError
from midspan.model.gguf_export import export_gguf
from midspan.model.gguf_metadata import read_metadata
from midspan.model.gguf_tokenizer import read_tokenizer
from midspan.prompt.formats import detect_format
from midspan.prompt.tokenizer import Tokenizer
from midspan.recipe.schema import CompleteConfig, PromptConfig
from midspan.recipe.section import Section

EngineName = Literal["auto", "llama.cpp", "torch"]
T = TypeVar("T", bound=Section)
MAX_CONTEXT = 16_384
"""Longest context set up for an embedded model, whatever the model could do: its KV cache is allocated at once."""


async def open_engine(
    model: str,
    *,
    runs: Path = Path("runs"),
    threads: int | None = None,
    slots: int = 1,
    tokenizer: Path | None = None,
    family: str | None = None,
    engine: EngineName = "auto",
) -> Engine:
    """Open a model: a run's name or directory, a Hugging Face directory or name, a .gguf file, or the http(s) URL of an
    OpenAI-compatible server (then `tokenizer` must name its tokenizer.json), or several URLs, parted by commas, of
    servers of one model. "URL#NAME" chooses among the models of a server.

    With `engine` "auto" an embedded model runs in llama.cpp. "torch" is PyTorch, the reference: slow.
    `family` names the model's prompt format where the vocabulary leaves a choice (see `detect_format`).
    `threads` and `slots` (generations side by side) hold for embedded models. The key of a remote server is read from
    the environment variable MIDSPAN_ENGINE_KEY. A Hugging Face directory is converted to GGUF once, into
    `$MIDSPAN_CACHE` or `~/.cache/midspan`, under the hash of its content. Raises MidspanError if the model is unknown,
    half-written, unsafe (pickle) or of a family whose prompt format is unknown, or if the cache cannot be written.
    """
    if is_remote(model):
        if engine != "auto":
            raise MidspanError(f"the engine {engine} runs here, and {model} elsewhere", "leave --engine out for URLs")
        return await _open_remote(model.split(","), tokenizer, family)
    if engine == "torch":
        found = locate(model, runs, hf=True)
        if found.path.is_file():
            raise MidspanError(f"PyTorch does not read {found.path}", "name a Hugging Face directory or a run")
        return await asyncio.to_thread(
            open_torch, found.path, name=found.name, family=family, prompt_config=found.prompt
        )
    found = locate(model, runs)
    gguf = found.path if found.path.is_file() else await asyncio.to_thread(_converted, found.path)
    metadata = read_metadata(gguf)
    own = read_tokenizer(gguf, metadata)
    length = _context_length(gguf, metadata)
    calibration = read_calibration(found.path)
    opened = await open_llama_cpp(
        gguf,
        name=found.name,
        tokenizer=own,
        format=detect_format(own, family),
        prompt_config=_stored(gguf, metadata, "prompt", PromptConfig) or found.prompt or default_prompt(length),
        context_length=length,
        threads=threads,
        slots=slots,
    )
    opened.complete_config = _stored(gguf, metadata, "complete", CompleteConfig) or CompleteConfig()
    opened.calibration = calibration
    return opened


def engine_name(name: str) -> EngineName:
    """`name` as that of an engine. Raises MidspanError if there is none of that name."""
    for known in get_args(EngineName):
        if name == known:
            return cast(EngineName, known)
    raise MidspanError(f"there is no engine {name}", f"name one of these: {', '.join(get_args(EngineName))}")


def is_remote(model: str) -> bool:
    """Whether `model` names a server, or several, not something on this machine."""
    return model.startswith(("http://", "https://"))


async def _open_remote(urls: list[str], tokenizer: Path | None, family: str | None) -> Engine:
    """One server, or several replicas."""
    if tokenizer is None:
        raise MidspanError(f"the tokenizer of the model behind {urls[0]} is not known", "name its tokenizer.json")
    own = Tokenizer.load(tokenizer)
    format = detect_format(own, family)

    def connect(url: str) -> Awaitable[Engine]:
        address, _, name = url.strip().partition("#")
        key = os.environ.get("MIDSPAN_ENGINE_KEY")
        return open_openai(address, tokenizer=own, format=format, model=name or None, api_key=key)

    return await (open_replicas({url: partial(connect, url) for url in urls}) if len(urls) > 1 else connect(urls[0]))


def _context_length(gguf: Path, metadata: Mapping[str, Any]) -> int:
    length = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    if not isinstance(length, int) or length < 1:
        raise MidspanError(f"{gguf} does not say how long the model's context is", "give a whole .gguf language model")
    return min(length, MAX_CONTEXT)


def _stored(gguf: Path, metadata: Mapping[str, Any], section: str, kind: type[T]) -> T | None:
    """A section of the recipe that the file carries."""
    stored = metadata.get(f"midspan.{section}")
    if not isinstance(stored, str):
        return None
    try:
        return kind.model_validate_json(stored)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise MidspanError(
            f"{gguf} holds {section} settings this version does not know: {where}", "update midspan or export again"
        ) from None


def _converted(hf_dir: Path) -> Path:
    """The GGUF file of a Hugging Face directory, made if its content has not been converted before."""
    cache = Path(os.environ.get("MIDSPAN_CACHE") or Path.home() / ".cache" / "midspan") / "gguf"
    key = hashlib.sha256(f"{__version__} {content_digest(hf_dir)}".encode()).hexdigest()
    target = cache / f"{key}-f16.gguf"
    if target.is_file():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=cache, prefix="converting-"))
    except OSError as error:
        raise MidspanError(
            f"the model cannot be converted into {cache}: {error.strerror}", "let MIDSPAN_CACHE name another folder"
        ) from None
    try:
        export_gguf(hf_dir, aside / target.name, "f16")
        (aside / target.name).replace(target)
    finally:
        shutil.rmtree(aside)
    return target
