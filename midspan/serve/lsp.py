"""The language server: `textDocument/inlineCompletion` of LSP 3.18 over standard input and output.

It runs beside the files: the project is read below the workspace folders and never outside them, unsaved text of open
files replaces what is on disk. The editor tells which files change, where it can; else they are looked at now and then.
A newer request for a document, or an edit of it, cancels the older request. The model is loaded after the handshake, so
that the editor never waits for it.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from midspan import __version__
from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest
from midspan.context.sets import Feature
from midspan.context.strategies import features_of
from midspan.engine.locate import locate
from midspan.engine.open import EngineName, is_remote, open_engine
from midspan.errors import MidspanError
from midspan.serve.folder import Folder
from midspan.serve.positions import Encoding, offset_at

MAX_NEW_TOKENS = 96
ALL_FILES = types.FileOperationRegistrationOptions(
    [types.FileOperationFilter(types.FileOperationPattern("**/*"), scheme="file")]
)


@dataclass
class State:
    """What one session of the server knows."""

    opening: "asyncio.Task[Completer] | None" = None
    folders: list[Folder] = field(default_factory=list)
    running: "dict[str, asyncio.Task[object]]" = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """Open documents by URI as they were before the edit now coming in."""
    reported: bool = False


def create_server(open_completer: Callable[[], Awaitable[Completer]]) -> LanguageServer:
    """The language server; `open_completer` is awaited once, in its event loop, after the handshake."""
    # Whole texts are synced: pygls applies partial edits by Python's idea of a line, which is not the protocol's.
    server = LanguageServer("midspan", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    state = State()

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        state.opening = asyncio.ensure_future(open_completer())
        state.folders += [Folder(root, partial(_features, state.opening)) for root in _roots(server)]
        await _watch(server, state)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        _touch(state, params.text_document.uri)
        state.texts[params.text_document.uri] = params.text_document.text

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        _cancel(state, uri)
        document = server.workspace.text_documents.get(unquote(uri))
        folder, path = _place(state, uri)
        if document is not None and folder is not None:
            folder.edit(path, state.texts.get(uri, document.source), document.source)
            state.texts[uri] = document.source

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        _look_again(state, [params.text_document.uri])

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        _cancel(state, uri)
        state.texts.pop(uri, None)
        folder, path = _place(state, uri)
        if folder is not None:
            folder.forget(path)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(params: types.DidChangeWatchedFilesParams) -> None:
        _look_again(state, [change.uri for change in params.changes])

    @server.feature(types.WORKSPACE_DID_CREATE_FILES, ALL_FILES)
    def created(params: types.CreateFilesParams) -> None:
        _look_again(state, [file.uri for file in params.files])

    @server.feature(types.WORKSPACE_DID_DELETE_FILES, ALL_FILES)
    def deleted(params: types.DeleteFilesParams) -> None:
        _look_again(state, [file.uri for file in params.files])

    @server.feature(types.WORKSPACE_DID_RENAME_FILES, ALL_FILES)
    def renamed(params: types.RenameFilesParams) -> None:
        _look_again(state, [uri for file in params.files for uri in (file.old_uri, file.new_uri)])

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
        for folder in state.folders:
            await folder.close()

    return server


async def _features(opening: "asyncio.Task[Completer]") -> list[Feature]:
    """What the completer asks of the files of a project; nothing if it cannot be opened."""
    await asyncio.wait({opening})
    if opening.cancelled() or opening.exception() is not None:
        return []
    completer = opening.result()
    return features_of(completer.config.strategy, completer.engine.tokenizer)


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
    project = await folder.project(_unsaved(server, folder), path) if folder else None
    completer = await asyncio.shield(state.opening)
    suggestion = await completer.complete(
        CompletionRequest(
            path=path,
            prefix=text[:offset],
            suffix=text[offset:],
            project=project,
            recent=tuple(folder.recent) if folder else (),
            edited=tuple(folder.edited) if folder else (),
            max_new_tokens=MAX_NEW_TOKENS,
        )
    )
    return suggestion.text


def _unsaved(server: LanguageServer, folder: Folder) -> dict[str, str]:
    """The present texts of the open documents of a folder, by path."""
    documents = list(server.workspace.text_documents.values())
    paths = [(_relative(folder.root, document.uri), document) for document in documents]
    return {path: _text(document) for path, document in paths if path is not None}


async def _watch(server: LanguageServer, state: State) -> None:
    """Ask the editor to tell of every file that changes, whoever changes it."""
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace else None
    if not state.folders or watching is None or not watching.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*")])
    method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    try:
        await server.client_register_capability_async(
            types.RegistrationParams([types.Registration("midspan-files", method, options)])
        )
    except JsonRpcException:
        return  # the editor will not: then the files are looked at now and then
    for folder in state.folders:
        folder.watched = True
        folder.look_again()  # what changed before the watch began


def _look_again(state: State, uris: Iterable[str]) -> None:
    """Files changed on disk. Each belongs to every folder it is in; of a link, so does what it leads to."""
    uris = list(uris)
    for folder in state.folders:
        paths = {_relative(folder.root, uri, follow) for uri in uris for follow in (True, False)}
        if known := [path for path in paths if path is not None]:
            folder.look_again(known)


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


def _relative(root: Path, uri: str, follow: bool = True) -> str | None:
    """Path of a document relative to `root`, None if it is not below it, wherever links lead.

    Without `follow` the path of the link itself, if the document is one.
    """
    path = to_fs_path(uri) if uri.startswith("file:") else None
    if path is None:
        return None
    try:
        resolved = Path(path).resolve() if follow else Path(path).parent.resolve() / Path(path).name
    except (OSError, RuntimeError):  # links in a circle
        return None
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
        folder.touch(path)


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
    family: str | None = None,
    engine: EngineName = "auto",
) -> None:
    """Serve `model` (see `open_engine`) to the editor at standard input and output until it leaves.

    Raises MidspanError if there is no such model.
    """
    if not is_remote(model):
        locate(model, runs)

    async def open_completer() -> Completer:
        opened = await open_engine(model, runs=runs, threads=threads, tokenizer=tokenizer, family=family, engine=engine)
        return Completer(opened)

    # pygls logs messages whole, source text and all, also where one fails; the editor is told of failures anyway.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    create_server(open_completer).start_io(sys.stdin.buffer, _take_stdout())


def _take_stdout() -> BinaryIO:
    """Standard output for the protocol alone; whatever else prints there goes to standard error."""
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol
