"""The language server: `textDocument/inlineCompletion` of LSP 3.18 over standard input and output.

It runs beside the files: the project is read below the workspace folders and never outside them, unsaved text of open
files replaces what is on disk. A newer request for a document, or an edit of it, cancels the older request. The model
is loaded after the handshake, so that the editor never waits for it.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from midspan import __version__
from midspan.complete.completer import Completer, CompletionRequest
from midspan.context.project import Project
from midspan.engine.locate import locate
from midspan.engine.open import open_engine
from midspan.errors import MidspanError
from midspan.serve.positions import Encoding, offset_at

MAX_RECENT = 16
INDEX_SECONDS = 2.0
"""How long a completion waits for the project to be read; after that it goes without context."""
MAX_NEW_TOKENS = 96


@dataclass
class Folder:
    """A workspace folder: its project once it is read, and the files opened last, newest first."""

    root: Path
    reading: "asyncio.Task[Project]"
    project: Project | None = None
    recent: list[str] = field(default_factory=list)

    async def current(self) -> Project | None:
        """The project, if it is read by now or soon."""
        if self.project is None:
            await asyncio.wait({self.reading}, timeout=INDEX_SECONDS)
            if self.reading.done() and self.reading.exception() is None:
                self.project = self.reading.result()
        return self.project


@dataclass
class State:
    """What one session of the server knows."""

    opening: "asyncio.Task[Completer] | None" = None
    folders: list[Folder] = field(default_factory=list)
    running: "dict[str, asyncio.Task[object]]" = field(default_factory=dict)
    reported: bool = False


def create_server(open_completer: Callable[[], Awaitable[Completer]]) -> LanguageServer:
    """The language server; `open_completer` is awaited once, in its event loop, after the handshake."""
    # Whole texts are synced: pygls applies partial edits by Python's idea of a line, which is not the protocol's.
    server = LanguageServer("midspan", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    state = State()

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        state.opening = asyncio.ensure_future(open_completer())
        for root in _roots(server):
            state.folders.append(Folder(root, asyncio.create_task(asyncio.to_thread(Project.read, root))))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        _touch(state, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        _cancel(state, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        _cancel(state, params.text_document.uri)
        _forget(state, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        uri = params.text_document.uri
        _cancel(state, uri)
        task = asyncio.current_task()
        assert task is not None
        state.running[uri] = task
        try:
            text = await _suggest(server, state, params)
        except MidspanError as error:
            _report(server, state, error)
            text = ""
        finally:
            if state.running.get(uri) is task:
                del state.running[uri]
        if not text:
            return types.InlineCompletionList(items=[])
        place = types.Range(start=params.position, end=params.position)
        return types.InlineCompletionList(items=[types.InlineCompletionItem(insert_text=text, range=place)])

    @server.feature(types.SHUTDOWN)
    async def shutdown(_: None) -> None:
        for uri in list(state.running):
            _cancel(state, uri)
        if state.opening is not None:
            state.opening.cancel()
            await asyncio.wait({state.opening})
            if not state.opening.cancelled() and state.opening.exception() is None:
                await state.opening.result().engine.close()

    return server


async def _suggest(server: LanguageServer, state: State, params: types.InlineCompletionParams) -> str:
    """The text to suggest, "" for none; only the text of open documents is looked at."""
    uri = params.text_document.uri
    document = server.workspace.text_documents.get(unquote(uri))
    if state.opening is None or document is None:
        return ""
    text, position = _text(document), params.position
    offset = offset_at(text, position.line, position.character, _encoding(server))
    _touch(state, uri)
    folder, path = _place(state, uri)
    project = await _project(server, folder, path) if folder else None
    completer = await asyncio.shield(state.opening)
    suggestion = await completer.complete(
        CompletionRequest(
            path=path,
            prefix=text[:offset],
            suffix=text[offset:],
            project=project,
            recent=tuple(folder.recent) if folder else (),
            max_new_tokens=MAX_NEW_TOKENS,
        )
    )
    return suggestion.text


async def _project(server: LanguageServer, folder: Folder, current: str) -> Project | None:
    """The folder's project with the present text of its open files; files it does not hold (ignored) stay out.

    The file `current` is never its own context and keeps its older text: while the user types, the project stays the
    same and with it what was computed for it.
    """
    project = await folder.current()
    if project is None:
        return None
    for document in list(server.workspace.text_documents.values()):
        path = _relative(folder.root, document.uri)
        if path is None or path == current or path not in project.files:
            continue
        text = _text(document)
        if project.files[path].text != text:
            project = project.replace(path, text)
    folder.project = project
    return project


def _text(document: TextDocument) -> str:
    """The text of an open document; half a surrogate pair, which JSON can hold and no tokenizer takes, becomes "?"."""
    return document.source.encode(errors="replace").decode()


def _encoding(server: LanguageServer) -> Encoding:
    """What the client counts characters in; UTF-16 unless both sides agreed on something else."""
    encoding = server.workspace.position_encoding
    return "utf-8" if encoding == "utf-8" else "utf-32" if encoding == "utf-32" else "utf-16"


def _roots(server: LanguageServer) -> list[Path]:
    """The workspace folders on this machine."""
    uris = list(server.workspace.folders) or ([server.workspace.root_uri] if server.workspace.root_uri else [])
    paths = [Path(path).resolve() for uri in uris if (path := to_fs_path(uri))]
    return [path for path in paths if path.is_dir()]


def _relative(root: Path, uri: str) -> str | None:
    """Path of a document relative to `root`, None if it is not below it, wherever links lead."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    if path is None:
        return None
    resolved = Path(path).resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else None


def _place(state: State, uri: str) -> tuple[Folder | None, str]:
    """The innermost folder a document is in, and its path there; its bare name if it is in none."""
    inside = [(folder, path) for folder in state.folders if (path := _relative(folder.root, uri)) is not None]
    if inside:
        return min(inside, key=lambda place: len(place[1]))
    return None, unquote(uri.rstrip("/").rpartition("/")[2]) or "untitled"


def _touch(state: State, uri: str) -> None:
    """Note that a document was looked at."""
    folder, path = _place(state, uri)
    if folder is not None:
        folder.recent[:] = [path, *(other for other in folder.recent if other != path)][:MAX_RECENT]


def _forget(state: State, uri: str) -> None:
    """A closed document counts as it is on disk again."""
    folder, path = _place(state, uri)
    if folder is not None and folder.project is not None and path in folder.project.files:
        try:
            text = (folder.root / path).read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            text = None
        folder.project = folder.project.replace(path, text)


def _cancel(state: State, uri: str) -> None:
    task = state.running.pop(uri, None)
    if task is not None:
        task.cancel()


def _report(server: LanguageServer, state: State, error: MidspanError) -> None:
    """Tell the user once; a broken model must not open a message at every keystroke."""
    if not state.reported:
        state.reported = True
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"midspan: {error}"))
    print(f"midspan: {error}", file=sys.stderr, flush=True)


def serve_lsp(
    model: str,
    *,
    runs: Path = Path("runs"),
    threads: int | None = None,
    tokenizer: Path | None = None,
) -> None:
    """Serve `model` (see `open_engine`) to the editor at standard input and output until it leaves.

    Raises MidspanError if there is no such model.
    """
    if not model.startswith(("http://", "https://")):
        locate(model, runs)

    async def open_completer() -> Completer:
        return Completer(await open_engine(model, runs=runs, threads=threads, tokenizer=tokenizer))

    # pygls logs messages whole, source text and all, also where one fails; the editor is told of failures anyway.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    create_server(open_completer).start_io(sys.stdin.buffer, _take_stdout())


def _take_stdout() -> BinaryIO:
    """Standard output for the protocol alone; whatever else prints there goes to standard error."""
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol
