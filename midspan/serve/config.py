"""The settings of `midspan serve`: a TOML file, and the command line over it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from midspan.engine.open import EngineName
from midspan.errors import MidspanError
from midspan.recipe.invalid import Over, invalid

Positive = Annotated[int, Field(ge=1)]
LogLevel = Literal["debug", "info", "warning", "error"]


class Section(BaseModel):
    """A table of the file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Section):
    """What one user, and what all together, may ask for. Read again on SIGHUP."""

    requests_per_minute: Positive = 600
    """Of one user, on average. Only users that tokens tell apart have limits of their own."""
    burst: Positive = 60
    """Requests of one user that may come at once before the average counts."""
    concurrent: Positive = 8
    """Requests of one user that may be in work at one time."""
    waiting: Positive = 64
    """Requests that may wait for the engine; if one more comes, the one that is least worth computing goes."""
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 5_000
    """How long a request may take unless it says so itself (X-Request-Timeout-Ms). Past it nothing is computed."""


class ServeConfig(Section):
    """Everything that `midspan serve` can be told, in the file as on the command line."""

    model: str | None = None
    """A run, a Hugging Face directory, a .gguf file or the URL of an OpenAI-compatible server."""
    tokenizer: Path | None = None
    family: str | None = None
    engine: EngineName = "auto"
    runs: Path = Path("runs")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8012
    threads: Positive | None = None
    """CPU threads of an embedded model; None leaves it to llama.cpp."""
    slots: Positive = 1
    """Generations side by side in an embedded model; each has a cache of its own."""
    parallel: Positive = 64
    """Generations side by side that each worker asks of a remote engine."""
    workers: Positive = 1
    """Processes that serve; more than one only before a remote engine."""
    token_file: Path | None = None
    """Hashes of the bearer tokens, as `midspan token add` writes them. Without it everyone may ask. Read again when it
    changes."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    drain_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long running requests may go on after SIGTERM."""
    log_level: LogLevel = "info"
    """Lines less urgent are not written; each request is one line of level info. Read again on SIGHUP."""
    limits: Limits = Limits()


def load_config(file: Path | None, overrides: Mapping[str, Any]) -> ServeConfig:
    """The settings in `file`, those of `overrides` that are not None over it.

    Raises MidspanError naming file, line, key and allowed values for whatever is wrong.
    """
    name, text = (str(file), _text(file)) if file is not None else ("command line", "")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MidspanError(f"{name}: not valid TOML: {error}") from None
    given = {key: value for key, value in overrides.items() if value is not None}
    try:
        config = ServeConfig.model_validate(table | given)
    except ValidationError as error:
        raise invalid(
            error, ServeConfig, [(name, text)], Over(frozenset((key,) for key in given), "command line")
        ) from None
    if (config.tls_cert is None) != (config.tls_key is None):
        raise MidspanError("TLS needs a certificate and its key", "give both tls_cert and tls_key, or neither")
    return config


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read the settings {file}: {error}") from None
