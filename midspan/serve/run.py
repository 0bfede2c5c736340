"""`serve`: a model behind HTTP until the process is told to stop.

SIGTERM and SIGINT end it gracefully: nothing new is accepted, what is running may finish, for some seconds. SIGHUP
reads limits, tokens and log level again.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import uvicorn

from midspan.complete.completer import Completer
from midspan.complete.warm import Warm
from midspan.engine.open import is_remote, open_engine
from midspan.errors import MidspanError
from midspan.serve import logs
from midspan.serve.app import create_app
from midspan.serve.auth import Tokens
from midspan.serve.config import ServeConfig, load_config
from midspan.serve.connection import MAX_HEAD_BYTES, Connection
from midspan.serve.listen import bind, is_loopback, join, url_of
from midspan.serve.service import Service
from midspan.serve.workers import run_workers

MAX_CONNECTIONS = 2_000
"""Beyond these a connection is told 503 at once: each costs memory and a file descriptor."""
RELOADED = frozenset({"limits", "log_level"})

_log = logging.getLogger(__name__)


def serve(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> None:
    """Serve as the settings in `file` and `overrides` say (see `load_config`) until SIGINT or SIGTERM.

    Raises MidspanError if a setting is wrong, if the port is taken, before the model is loaded, or if the model cannot
    be opened.
    """
    settings = Settings(file, overrides or {})
    config = settings.load()
    logs.configure(config.log_level)
    if config.workers > 1:
        _check_workers(config)
        work, scheme = partial(_work, settings), _scheme(config)
        run_workers(work, config.workers, config.host, config.port, scheme=scheme, drain_seconds=config.drain_seconds)
        return
    tokens = Tokens(config.token_file) if config.token_file is not None else None
    with bind(config.host, config.port) as listener, contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        if tokens is None and not is_loopback(listener):
            _log.warning("serving on %s without tokens: everyone who reaches it may use it", config.host)

        def announce(model: str) -> None:
            print(f"midspan serves {model} on {url_of(listener, _scheme(config))}", file=sys.stderr, flush=True)

        asyncio.run(_serve(settings, config, tokens, listener, announce))


@dataclass(frozen=True)
class Settings:
    """Where the settings come from; they may be read again."""

    file: Path | None
    overrides: Mapping[str, Any]

    def load(self) -> ServeConfig:
        """The settings as they are now. Raises MidspanError."""
        return load_config(self.file, self.overrides)


def _check_workers(config: ServeConfig) -> None:
    if not is_remote(config.model or ""):
        raise MidspanError(
            "an embedded model is served by one process: each worker would load it anew and take the same CPU cores",
            "leave out --workers and give --slots, or give the URL of an engine",
        )


def _work(settings: Settings, host: str, port: int, ready: Event) -> None:
    """One of several workers."""
    config = settings.load()
    logs.configure(config.log_level)
    try:
        tokens = Tokens(config.token_file) if config.token_file is not None else None
        with join(host, port) as listener, contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_serve(settings, config, tokens, listener, lambda _: ready.set()))
    except MidspanError as error:
        _log.error("%s", error)
        sys.exit(2)


async def _serve(
    settings: Settings,
    config: ServeConfig,
    tokens: Tokens | None,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> None:
    if config.model is None:
        raise MidspanError("no model named", "give --model, or model in the settings")
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)  # until there is a server that can end gracefully
    if (parent := multiprocessing.parent_process()) is not None:
        loop.add_reader(parent.sentinel, task.cancel)  # no worker outlives its parent
    engine = await open_engine(
        config.model,
        runs=config.runs,
        threads=config.threads,
        slots=config.slots,
        tokenizer=config.tokenizer,
        family=config.family,
        engine=config.engine,
    )
    try:
        parallel = config.parallel if is_remote(config.model) else config.slots
        warm = Warm(Completer(engine))
        service = Service(warm, parallel=parallel, limits=config.limits)
        server = _Server(_uvicorn_config(config, service, tokens))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, _reload, settings, config, service)
        announce(engine.name)
        try:
            await server.serve(sockets=[listener])
        finally:
            await warm.close()
    finally:
        await engine.close()


def _scheme(config: ServeConfig) -> str:
    return "https" if config.tls_cert else "http"


class _Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn raises them again when it has ended, which would look like a kill."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


def _uvicorn_config(config: ServeConfig, service: Service, tokens: Tokens | None) -> uvicorn.Config:
    """Raises MidspanError if the certificate or its key cannot be used."""
    settings = uvicorn.Config(
        create_app(service, tokens=tokens),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        ssl_certfile=config.tls_cert,
        ssl_keyfile=config.tls_key,
        timeout_graceful_shutdown=config.drain_seconds,  # type: ignore[arg-type]
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise MidspanError(
            f"cannot use the certificate {config.tls_cert} with the key {config.tls_key}: {error}",
            "give two PEM files that belong together",
        ) from None
    return settings


def _reload(settings: Settings, config: ServeConfig, service: Service) -> None:
    """Read the settings again and take up what can change while serving."""
    try:
        new = settings.load()
    except MidspanError as error:
        _log.error("the settings stay as they were: %s", error)
        return
    logs.configure(new.log_level)
    service.limit(new.limits)
    changed = [key for key in ServeConfig.model_fields if getattr(new, key) != getattr(config, key)]
    for key in sorted(set(changed) - RELOADED):
        _log.warning("%s is read at start only; it stays as it was", key)
    _log.info("settings read again")
