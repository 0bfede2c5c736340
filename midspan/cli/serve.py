"""`midspan serve`, `midspan token` and `midspan lsp`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from midspan.cli.models import choose_model
from midspan.cli.options import (
    DEFAULT_RUNS,
    ENGINE,
    EngineOption,
    FamilyOption,
    ModelOption,
    RunsOption,
    TokenizerOption,
)

TokenFileOption = Annotated[
    Path, typer.Option("--token-file", metavar="FILE", envvar="MIDSPAN_TOKENS", help="Where the hashes are kept.")
]
DEFAULT_TOKENS = Path("tokens")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("serve", rich_help_panel="Complete")(_serve)
    app.command("lsp", rich_help_panel="Complete")(_lsp)
    token = typer.Typer(help="Bearer tokens of midspan serve.", no_args_is_help=True)
    token.command("add")(_add)
    token.command("list")(_list)
    token.command("remove")(_remove)
    app.add_typer(token, name="token", rich_help_panel="Complete")


def _serve(
    model: ModelOption = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings in TOML; those of the command line count more."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port; 0 takes a free one.  [default: 8012]")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Ask for a bearer token; made by: midspan token add."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="PEM", help="Certificate chain: serve HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="PEM", help="Its private key.")] = None,
    slots: Annotated[
        int | None, typer.Option("--slots", help="Generations side by side in an embedded model.  [default: 1]")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads of an embedded model.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that serve, before a remote engine.  [default: 1]")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error.  [default: info]")
    ] = None,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    engine: Annotated[str | None, ENGINE] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", metavar="DIR", envvar="MIDSPAN_RUNS", help="Where runs are kept.  [default: runs]"),
    ] = None,
) -> None:
    """Serve completions over HTTP (POST /v1/midspan/completions; the OpenAPI page is at /docs).

    SIGTERM ends it when the running requests are done; SIGHUP reads limits, tokens and log level again.
    """
    from midspan.serve.config import load_config
    from midspan.serve.run import serve

    flags: dict[str, Any] = {
        "model": model,
        "host": host,
        "port": port,
        "token_file": token_file,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "slots": slots,
        "threads": threads,
        "workers": workers,
        "log_level": log_level,
        "tokenizer": tokenizer,
        "family": family,
        "engine": engine,
        "runs": runs,
    }
    settings = load_config(config, flags)
    serve(config, flags | {"model": choose_model(settings.model, settings.runs)})


def _add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is; limits and logs go by it.")],
    file: TokenFileOption = DEFAULT_TOKENS,
) -> None:
    """Make a token and print it, once: only its hash is kept."""
    from midspan.serve.auth import add_token

    typer.echo(add_token(file, name))


def _list(file: TokenFileOption = DEFAULT_TOKENS) -> None:
    """Show whose tokens there are."""
    from midspan.serve.auth import read_tokens

    for entry in read_tokens(file):
        typer.echo(entry.name)


def _remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token is to go.")],
    file: TokenFileOption = DEFAULT_TOKENS,
) -> None:
    """Take a token back; a running server refuses it from then on."""
    from midspan.serve.auth import remove_token

    remove_token(file, name)


def _lsp(
    model: ModelOption = None,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    engine: EngineOption = "auto",
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Speak the Language Server Protocol on stdin and stdout (textDocument/inlineCompletion)."""
    from midspan.engine.open import engine_name
    from midspan.serve.lsp import serve_lsp

    name = engine_name(engine)
    serve_lsp(choose_model(model, runs), runs=runs, tokenizer=tokenizer, family=family, engine=name)
