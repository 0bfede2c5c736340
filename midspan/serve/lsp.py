"""The language server: `textDocument/inlineCompletion` of LSP 3.18 over standard input and output.

It runs beside the files: the project is read below the workspace folders and never outside them, unsaved text of open
files replaces what is on disk. The editor tells which files change, where it can; else they are looked at now and then.
A newer request for a document, or an edit of it, ends the older request. The model is loaded after the handshake, so
that the editor never waits for it; the prompt is read ahead when a file is opened and when typing rests.

An accepted item says so by its command; `textDocument/didShowCompletion` and `didPartiallyAcceptCompletion` of some
editors are understood too. What became of the suggestions is counted, and told in one line when the server ends.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.workspace import TextDocument

from midspan import __version__
from midspan.complete.completer import Completer
from midspan.complete.request import CompletionRequest, Suggestion
from midspan.complete.warm import Warm
from midspan.context.sets import Feature
from midspan.context.strategies import features_of
from midspan.engine.locate import locate
from midspan.engine.open import EngineName, is_remote, open_engine
from midspan.errors import MidspanError
from midspan.serve.folder import first_difference
from midspan.serve.outcomes import Outcomes
from midspan.serve.positions import Encoding, code_units, offset_at
from midspan.serve.workspace import Workspace

CANDIDATES = 3
"""Suggestions to choose from where the user asks for them by a key."""
GRACE_S = 0.05
"""How long a request that nobody waits for goes on: editors end one and send the next, which may use what it has."""
REST_S = 0.3
"""How long typing rests before the prompt is read ahead."""
ACCEPTED = "midspan.accepted"
ALL_FILES = types.FileOperationRegistrationOptions(
    [types.FileOperationFilter(types.FileOperationPattern("**/*"), scheme="file")]
)


@dataclass(frozen=True)
class Answer:
    """A suggestion and the text behind the caret that it was made for."""

    suggestion: Suggestion
    suffix: str


@dataclass
class State:
    """What one session of the server knows."""

    workspace: Workspace
    opening: "asyncio.Task[Warm] | None" = None
    running: "dict[str, asyncio.Task[Answer | None]]" = field(default_factory=dict)
    resting: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """Open documents by URI as they were before the edit now coming in."""
    outcomes: Outcomes = field(default_factory=Outcomes)
    reported: bool = False


def create_server(open_completer: Callable[[], Awaitable[Completer]]) -> LanguageServer:
    """The language server; `open_completer` is awaited once, in its event loop, after the handshake."""
    # Whole texts are synced: pygls applies partial edits by Python's idea of a line, which is not the protocol's.
    server = LanguageServer("midspan", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    state = State(Workspace(lambda: _features(state)))
    workspace = state.workspace

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        state.opening = asyncio.create_task(_open(open_completer))
        workspace.add(server.workspace.folders or filter(None, [server.workspace.root_uri]))
        await _watch(server, workspace)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def folders_changed(params: types.DidChangeWorkspaceFoldersParams) -> None:
        workspace.add(folder.uri for folder in params.event.added)
        await workspace.remove(folder.uri for folder in params.event.removed)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        uri = params.text_document.uri
        _touch(state, uri)
        state.texts[uri] = params.text_document.text
        _read_ahead(server, state, uri, 0, delay_s=0.0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        _let_go(state.running.get(uri))
        document = server.workspace.text_documents.get(unquote(uri))
        if document is None:
            return
        older, text = state.texts.get(uri, document.source), document.source
        folder, path = workspace.place(uri)
        if folder is not None:
            folder.edit(path, older, text)
        state.texts[uri] = text
        typed = max(0, len(text) - len(older))
        _read_ahead(server, state, uri, first_difference(older, text) + typed, delay_s=REST_S)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        workspace.look_again([params.text_document.uri])

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        for tasks in (state.running, state.resting):
            if task := tasks.pop(uri, None):
                task.cancel()
        state.texts.pop(uri, None)
        folder, path = workspace.place(uri)
        if folder is not None:
            folder.forget(path)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(params: types.DidChangeWatchedFilesParams) -> None:
        workspace.look_again(change.uri for change in params.changes)

    @server.feature(types.WORKSPACE_DID_CREATE_FILES, ALL_FILES)
    def created(params: types.CreateFilesParams) -> None:
        workspace.look_again(file.uri for file in params.files)

    @server.feature(types.WORKSPACE_DID_DELETE_FILES, ALL_FILES)
    def deleted(params: types.DeleteFilesParams) -> None:
        workspace.look_again(file.uri for file in params.files)

    @server.feature(types.WORKSPACE_DID_RENAME_FILES, ALL_FILES)
    def renamed(params: types.RenameFilesParams) -> None:
        workspace.look_again(uri for file in params.files for uri in (file.old_uri, file.new_uri))

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        uri = params.text_document.uri
        if resting := state.resting.pop(uri, None):
            resting.cancel()
        _let_go(state.running.get(uri))
        work = state.running[uri] = asyncio.create_task(_suggest(server, state, params))
        work.add_done_callback(_looked_at)
        try:
            answer = await asyncio.shield(work)
        except MidspanError as error:
            _report(server, state, error)
            answer = None
        except asyncio.CancelledError:
            _let_go(work)
            raise
        finally:
            if work.done() and state.running.get(uri) is work:
                del state.running[uri]
        return types.InlineCompletionList(_items(state.outcomes, params, answer, _encoding(server)))

    @server.command(ACCEPTED)
    def accepted(name: str) -> None:
        state.outcomes.note(name, "accepted")

    @server.feature("textDocument/didShowCompletion")
    def shown(params: Any) -> None:
        state.outcomes.note(_name_of(params), "shown")

    @server.feature("textDocument/didPartiallyAcceptCompletion")
    def partly_accepted(params: Any) -> None:
        state.outcomes.note(_name_of(params), "partly accepted")

    @server.feature(types.SHUTDOWN)
    async def shutdown(_: None) -> None:
        for task in [*state.running.values(), *state.resting.values()]:
            task.cancel()
        if state.opening is not None:
            state.opening.cancel()
            await asyncio.wait({state.opening})
            if not state.opening.cancelled() and state.opening.exception() is None:
                warm = state.opening.result()
                await warm.close()
                await warm.completer.engine.close()
        await workspace.close()
        print(f"midspan: {state.outcomes}", file=sys.stderr, flush=True)

    return server


async def _open(open_completer: Callable[[], Awaitable[Completer]]) -> Warm:
    return Warm(await open_completer())


async def _features(state: State) -> list[Feature]:
    """What the completer asks of the files of a project; nothing if it cannot be opened."""
    assert state.opening is not None
    await asyncio.wait({state.opening})
    if state.opening.cancelled() or state.opening.exception() is not None:
        return []
    completer = state.opening.result().completer
    return features_of(completer.config.strategy, completer.engine.tokenizer)


async def _suggest(server: LanguageServer, state: State, params: types.InlineCompletionParams) -> Answer | None:
    """What to suggest; only the text of open documents is looked at."""
    uri, selected = params.text_document.uri, params.context.selected_completion_info
    document = server.workspace.text_documents.get(unquote(uri))
    if state.opening is None or document is None:
        return None
    text = _text(document)
    start = end = _offset(server, text, params.position)
    written = ""
    if selected is not None:  # as if the entry selected in the editor's list were in the document
        start, end = (_offset(server, text, place) for place in (selected.range.start, selected.range.end))
        written = selected.text
    _touch(state, uri)
    request = await _request(server, state, uri, text[:start] + written, text[end:])
    if params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked:
        request = replace(request, candidates=CANDIDATES)
    warm = await asyncio.shield(state.opening)
    return Answer(await warm.complete(request), request.suffix)


async def _request(server: LanguageServer, state: State, uri: str, prefix: str, suffix: str) -> CompletionRequest:
    folder, path = state.workspace.place(uri)
    project = None
    if folder is not None:
        documents = {document.uri: _text(document) for document in server.workspace.text_documents.values()}
        project = await state.workspace.project(folder, path, documents)
    return CompletionRequest(
        path=path,
        prefix=prefix,
        suffix=suffix,
        project=project,
        recent=tuple(folder.recent) if folder else (),
        edited=tuple(folder.edited) if folder else (),
        document=uri,
    )


def _items(
    outcomes: Outcomes, params: types.InlineCompletionParams, answer: Answer | None, encoding: Encoding
) -> list[types.InlineCompletionItem]:
    """The candidates, the best first, each with a name by which the editor can say that it was accepted."""
    if answer is None or not answer.suggestion.text:
        return []
    selected = params.context.selected_completion_info
    place = selected.range if selected else types.Range(params.position, params.position)
    items = []
    for one in (answer.suggestion, *answer.suggestion.alternatives):
        replaced = code_units(answer.suffix[: one.replace], encoding)
        items.append(
            types.InlineCompletionItem(
                insert_text=(selected.text if selected else "") + one.text,
                range=types.Range(place.start, types.Position(place.end.line, place.end.character + replaced)),
                command=types.Command(title="accepted", command=ACCEPTED, arguments=[outcomes.give()]),
            )
        )
    return items


def _read_ahead(server: LanguageServer, state: State, uri: str, offset: int, delay_s: float) -> None:
    """Have the prompt of a caret read, unless the document is asked or changed again within `delay_s` seconds."""

    async def read() -> None:
        await asyncio.sleep(delay_s)
        document = server.workspace.text_documents.get(unquote(uri))
        if document is None or state.opening is None:
            return
        text = _text(document)
        request = await _request(server, state, uri, text[:offset], text[offset:])
        # What is wrong with the model is told to who asks for a completion.
        with contextlib.suppress(MidspanError):
            await (await asyncio.shield(state.opening)).prefill(request)

    if resting := state.resting.get(uri):
        resting.cancel()
    state.resting[uri] = asyncio.create_task(read())


def _name_of(params: Any) -> str:
    """The name of the item that an editor speaks of."""
    try:
        return str(params.item.command.arguments[0])
    except (AttributeError, IndexError, TypeError):
        return ""


def _offset(server: LanguageServer, text: str, place: types.Position) -> int:
    return offset_at(text, place.line, place.character, _encoding(server))


async def _watch(server: LanguageServer, workspace: Workspace) -> None:
    """Ask the editor to tell of every file that changes, whoever changes it."""
    capabilities = server.client_capabilities.workspace
    watching = capabilities.did_change_watched_files if capabilities else None
    if watching is None or not watching.dynamic_registration:
        return
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher("**/*")])
    method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    try:
        await server.client_register_capability_async(
            types.RegistrationParams([types.Registration("midspan-files", method, options)])
        )
    except JsonRpcException:
        return  # the editor will not: then the files are looked at now and then
    workspace.watch()


def _text(document: TextDocument) -> str:
    """The text of an open document; half a surrogate pair, which JSON can hold and no tokenizer takes, becomes "?"."""
    return document.source.encode(errors="replace").decode()


def _encoding(server: LanguageServer) -> Encoding:
    """What the client counts characters in; UTF-16 unless both sides agreed on something else."""
    encoding = server.workspace.position_encoding
    return "utf-8" if encoding == "utf-8" else "utf-32" if encoding == "utf-32" else "utf-16"


def _touch(state: State, uri: str) -> None:
    """Note that a document was looked at."""
    folder, path = state.workspace.place(uri)
    if folder is not None:
        folder.touch(path)


def _looked_at(work: "asyncio.Task[Answer | None]") -> None:
    """Whoever waited was told how it went; if nobody did, nobody needs to know."""
    if not work.cancelled():
        work.exception()


def _let_go(work: "asyncio.Task[Answer | None] | None") -> None:
    """Nobody waits for it any more: it ends, unless it has done so by itself soon."""
    if work is not None:
        asyncio.get_running_loop().call_later(GRACE_S, work.cancel)


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
