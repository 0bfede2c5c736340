"""`midspan serve` and `midspan lsp`."""

from pathlib import Path
from typing import Annotated

import typer

from midspan.cli.models import choose_model
from midspan.cli.options import DEFAULT_RUNS, FamilyOption, ModelOption, RunsOption, TokenizerOption
from midspan.errors import MidspanError


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("serve", rich_help_panel="Complete")(_serve)
    app.command("lsp", rich_help_panel="Complete")(_lsp)


def _serve(
    model: ModelOption = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8012,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="File with the bearer token that requests need.")
    ] = None,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Serve completions over HTTP (POST /v1/midspan/completions; the OpenAPI page is at /docs)."""
    from midspan.serve.run import serve

    chosen, token = choose_model(model, runs), _token(token_file)
    serve(chosen, host=host, port=port, runs=runs, token=token, tokenizer=tokenizer, family=family)


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MidspanError(f"cannot read the token file {file}: {error}") from None
    if not token:
        raise MidspanError(f"the token file {file} is empty", "write the bearer token into it")
    return token


def _lsp(
    model: ModelOption = None,
    tokenizer: TokenizerOption = None,
    family: FamilyOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Speak the Language Server Protocol on stdin and stdout (textDocument/inlineCompletion)."""
    from midspan.serve.lsp import serve_lsp

    serve_lsp(choose_model(model, runs), runs=runs, tokenizer=tokenizer, family=family)
