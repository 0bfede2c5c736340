"""A real language client against the server as a child process."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled
from pygls.lsp.client import LanguageClient
from tiny_model import LESSONS, taught_hf

from midspan.serve.lsp import CANDIDATES

START = "import sys; from pathlib import Path; from midspan.serve.lsp import serve_lsp; "
START += "serve_lsp(sys.argv[1], runs=Path('none'), threads=1)"


class Client(LanguageClient):
    def __init__(self) -> None:
        super().__init__("test", "1")
        self.messages: list[str] = []
        self.registered: list[types.Registration] = []

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def show(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        @self.feature(types.CLIENT_REGISTER_CAPABILITY)
        def register(params: types.RegistrationParams) -> None:
            self.registered += params.registrations


def with_client(
    model: Path, root: Path, use: Callable[[Client], Awaitable[object]], program: str = START, watches: bool = False
) -> None:
    async def run() -> None:
        client = Client()
        await client.start_io(sys.executable, "-c", program, str(model), cwd=str(Path.cwd()))
        try:
            folders = [types.WorkspaceFolder(root.as_uri(), root.name)]
            result = await client.initialize_async(
                types.InitializeParams(
                    capabilities=types.ClientCapabilities(
                        workspace=types.WorkspaceClientCapabilities(
                            did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(watches)
                        ),
                        text_document=types.TextDocumentClientCapabilities(
                            inline_completion=types.InlineCompletionClientCapabilities()
                        ),
                    ),
                    workspace_folders=folders,
                    root_uri=root.as_uri(),
                )
            )
            assert result.capabilities.inline_completion_provider
            client.initialized(types.InitializedParams())
            await use(client)
            await asyncio.wait_for(client.shutdown_async(None), 10)
            client.exit(None)
        finally:
            await asyncio.wait_for(client.stop(), 10)

    asyncio.run(run())


def open_document(client: Client, path: Path, text: str) -> str:
    item = types.TextDocumentItem(path.as_uri(), "python", 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    return path.as_uri()


def wait_for(condition: Callable[[], object]) -> Awaitable:
    async def wait() -> None:
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < 30
            await asyncio.sleep(0.02)

    return wait()


def change(client: Client, uri: str, version: int, text: str) -> None:
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version, uri), [types.TextDocumentContentChangeWholeDocument(text)]
        )
    )


def position(text: str) -> types.Position:
    """The LSP position behind a text."""
    line = text.count("\n")
    return types.Position(line, len(text.rpartition("\n")[2].encode("utf-16-le")) // 2)


def ask(
    client: Client,
    uri: str,
    prefix: str,
    kind: types.InlineCompletionTriggerKind = types.InlineCompletionTriggerKind.Automatic,
    selected: types.SelectedCompletionInfo | None = None,
) -> Awaitable:
    return client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            context=types.InlineCompletionContext(kind, selected),
            text_document=types.TextDocumentIdentifier(uri),
            position=position(prefix),
        )
    )


async def texts(client: Client, uri: str, prefix: str) -> list[str]:
    return [item.insert_text for item in (await ask(client, uri, prefix)).items]


def test_learnt_completions_at_utf16_positions(taught_gguf, tmp_path):
    async def use(client: Client) -> None:
        for name in ("line", "block", "two_lines", "healed", "closers"):
            lesson = LESSONS[name]
            uri = open_document(client, tmp_path / lesson.path, lesson.prefix + lesson.suffix)
            assert await texts(client, uri, lesson.prefix) == [lesson.middle if name != "closers" else "2"]
        lesson = LESSONS["nothing"]
        uri = open_document(client, tmp_path / lesson.path, lesson.prefix + lesson.suffix)
        assert await texts(client, uri, lesson.prefix) == []
        lesson = LESSONS["emoji"]
        uri = open_document(client, tmp_path / lesson.path, lesson.prefix + "🙂𝔸" + lesson.suffix)
        change(client, uri, 2, lesson.prefix + lesson.suffix)
        result = await ask(client, uri, lesson.prefix)
        (item,) = result.items
        assert item.insert_text == "é🙂𝔸"
        assert item.range.start == item.range.end == position(lesson.prefix)
        assert await texts(client, (tmp_path / "never opened.py").as_uri(), "") == []
        uri = open_document(client, tmp_path / "half.py", "half = '\ud800'\nx = \n")
        await texts(client, uri, "half = '?'\nx = ")
        assert client.messages == []

    with_client(taught_gguf, tmp_path, use)


def test_project_on_disk_is_context(taught_gguf, tmp_path):
    lesson = LESSONS["context"]
    for path, text in lesson.files.items():
        (tmp_path / path).write_text(text)

    async def use(client: Client) -> None:
        uri = open_document(client, tmp_path / lesson.path, lesson.prefix + lesson.suffix)
        assert await texts(client, uri, lesson.prefix) == [lesson.middle]

    with_client(taught_gguf, tmp_path, use)


SHOW_PROMPT = """
import sys
from pathlib import Path
from midspan.complete.warm import Warm
from midspan.serve import lsp

async def noted(self, request):
    suggestion = await self.completer.complete(request)  # what is remembered has no prompt
    with Path(sys.argv[2]).open("a") as file:
        file.write(suggestion.prompt.render(self.completer.engine.tokenizer) + "\\n=====\\n")
    print("noise on standard output")
    return suggestion
Warm.complete = noted
lsp.serve_lsp(sys.argv[1], runs=Path("none"), threads=1)
"""


def test_prompt_holds_unsaved_text_and_nothing_from_outside(taught_gguf, tmp_path):
    root, outside, prompts = tmp_path / "root", tmp_path / "outside.py", tmp_path / "prompts"
    root.mkdir()
    (root / "other.py").write_bytes(b"value = 'on disk'\r\n")
    (root / ".gitignore").write_text("private.py\n")
    (root / "private.py").write_text("value = 'private'\n")
    outside.write_text("value = 'outside'\n")
    (root / "link.py").symlink_to(outside)

    async def use(client: Client) -> None:
        above = "value = 0\n"
        main = open_document(client, root / "main.py", above + "value = \n")
        other = open_document(client, root / "other.py", "value = 'on disk'\r\n")
        open_document(client, root / "private.py", "value = 'private and unsaved'\n")
        open_document(client, outside, "value = 'outside and unsaved'\n")
        await texts(client, main, above + "value = ")
        change(client, other, 2, "value = 'not saved'\n")
        await texts(client, main, above + "value = ")
        client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(other)))
        await texts(client, main, above + "value = ")
        lonely = open_document(client, tmp_path / "lonely.py", above + "value = \n")
        await texts(client, lonely, above + "value = ")

    with_client(taught_gguf, root, use, SHOW_PROMPT.replace("sys.argv[2]", repr(str(prompts))))
    first, second, third, lonely, _ = prompts.read_bytes().decode().split("\n=====\n")
    assert "'on disk'\r\n" in first and "'not saved'" not in first
    assert "'not saved'" in second and "'on disk'" not in second
    assert "'on disk'\r\n" in third
    for prompt in (first, second, third, lonely):
        assert "private" not in prompt and "outside" not in prompt
        assert str(tmp_path) not in prompt
    assert "other.py" not in lonely


START_OF_MAIN = "value = 0\nvalue = "


def test_changes_on_disk_reach_the_next_prompt(taught_gguf, tmp_path):
    root, prompts = tmp_path / "root", tmp_path / "prompts"
    root.mkdir()
    (root / "other.py").write_text("value = 'at first'\n")

    async def use(client: Client) -> None:
        main = open_document(client, root / "main.py", START_OF_MAIN + "\n")
        await texts(client, main, START_OF_MAIN)
        (registration,) = client.registered
        assert registration.method == types.WORKSPACE_DID_CHANGE_WATCHED_FILES

        async def told(path: str, kind: types.FileChangeType) -> None:
            event = types.FileEvent((root / path).as_uri(), kind)
            client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
            await texts(client, main, START_OF_MAIN)

        (root / "other.py").write_text("value = 'changed outside'\n")
        await told("other.py", types.FileChangeType.Changed)
        (root / "new.py").write_text("value = 'created'\n")
        await told("new.py", types.FileChangeType.Created)
        (root / "new.py").unlink()
        await told("new.py", types.FileChangeType.Deleted)
        (root / ".gitignore").write_text("other.py\n")
        await told(".gitignore", types.FileChangeType.Created)
        (root / ".gitignore").unlink()
        await told(".gitignore", types.FileChangeType.Deleted)
        (root / "folder").mkdir()
        (root / "other.py").rename(root / "folder/moved.py")
        rename = types.FileRename((root / "other.py").as_uri(), (root / "folder/moved.py").as_uri())
        client.workspace_did_rename_files(types.RenameFilesParams([rename]))
        await texts(client, main, START_OF_MAIN)
        moved = open_document(client, root / "folder/moved.py", "value = 'changed outside'\n")
        (root / "folder/moved.py").write_text("value = 'saved'\n")
        change(client, moved, 2, "value = 'saved'\n")
        client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(moved)))
        client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(moved)))
        await texts(client, main, START_OF_MAIN)
        (root / "folder/moved.py").unlink()
        (root / "folder").rmdir()
        folder = types.FileDelete((root / "folder").as_uri())
        client.workspace_did_delete_files(types.DeleteFilesParams([folder]))
        await texts(client, main, START_OF_MAIN)
        (root / "self").symlink_to("self")
        await told("self", types.FileChangeType.Created)
        (root / "last.py").write_text("value = 'last'\n")
        client.workspace_did_create_files(types.CreateFilesParams([types.FileCreate((root / "last.py").as_uri())]))
        await texts(client, main, START_OF_MAIN)

    with_client(taught_gguf, root, use, SHOW_PROMPT.replace("sys.argv[2]", repr(str(prompts))), watches=True)
    first, *prompts_after, _ = prompts.read_text().split("\n=====\n")
    changed, created, deleted, ignored, back, renamed, saved, gone, _, last = prompts_after
    assert "at first" in first
    assert "changed outside" in changed and "at first" not in changed
    assert "created" in created and "changed outside" in created
    assert "created" not in deleted and "changed outside" in deleted
    assert "changed outside" not in ignored and "changed outside" in back
    assert "moved.py" in renamed and "changed outside" in renamed and "other.py" not in renamed
    assert "'saved'" in saved and "changed outside" not in saved
    assert "moved.py" not in gone
    assert "'last'" in last


SHOW_EDITED = """
import json, sys
from pathlib import Path
from midspan.complete.warm import Warm
from midspan.serve import lsp

complete = Warm.complete
async def noted(self, request):
    with Path(sys.argv[2]).open("a") as file:
        file.write(json.dumps([request.edited, request.recent]) + "\\n")
    return await complete(self, request)
Warm.complete = noted
lsp.serve_lsp(sys.argv[1], runs=Path("none"), threads=1)
"""


def test_requests_know_where_the_user_edited(taught_gguf, tmp_path):
    noted = tmp_path / "noted"
    lines = [f"line = {number}\n" for number in range(40)]

    async def use(client: Client) -> None:
        one = open_document(client, tmp_path / "one.py", "".join(lines))
        two = open_document(client, tmp_path / "two.py", "".join(lines))
        await texts(client, one, "")
        change(client, one, 2, "".join(lines).replace("= 30", "= x"))
        change(client, two, 2, "".join(lines).replace("= 0", "= 00"))
        await texts(client, one, "")
        change(client, one, 3, "# new\n# new\n" + "".join(lines).replace("= 30", "= x"))
        await texts(client, one, "")

    with_client(taught_gguf, tmp_path, use, SHOW_EDITED.replace("sys.argv[2]", repr(str(noted))))
    nothing, edited, moved = (json.loads(line) for line in noted.read_text().splitlines())
    assert nothing == [[], ["one.py", "two.py"]]
    assert edited == [[["two.py", 0], ["one.py", 30]], ["one.py", "two.py"]]
    assert moved == [[["one.py", 0], ["two.py", 0], ["one.py", 32]], ["one.py", "two.py"]]


SLOW = """
import asyncio, sys
from pathlib import Path
from midspan.complete.warm import Warm
from midspan.serve import lsp

complete = Warm.complete
async def slow(self, request):
    await asyncio.sleep(0.3)
    return await complete(self, request)
Warm.complete = slow
lsp.serve_lsp(sys.argv[1], runs=Path("none"), threads=1)
"""


def test_newer_request_or_edit_cancels_the_older(taught_gguf, tmp_path):
    lesson = LESSONS["block"]

    async def use(client: Client) -> None:
        text = lesson.prefix + lesson.suffix
        uri = open_document(client, tmp_path / lesson.path, text)
        await ask(client, uri, lesson.prefix)
        older = [asyncio.ensure_future(ask(client, uri, lesson.prefix)) for _ in range(4)]
        await asyncio.sleep(0)
        assert await texts(client, uri, lesson.prefix) == [lesson.middle]
        assert all(
            isinstance(error, JsonRpcRequestCancelled) for error in await asyncio.gather(*older, return_exceptions=True)
        )
        pending = asyncio.ensure_future(ask(client, uri, lesson.prefix))
        await asyncio.sleep(0)
        change(client, uri, 2, text + "\n")
        with pytest.raises(JsonRpcRequestCancelled):
            await pending

    with_client(taught_gguf, tmp_path, use, SLOW)


NOTED = """
import asyncio, json, sys
from pathlib import Path
from midspan.complete.warm import Warm
from midspan.serve import lsp

def note(what, request):
    line = json.dumps([what, request.path, request.prefix, request.candidates])
    with Path(sys.argv[2]).open("a") as file:
        file.write(line + "\\n")

complete, prefill = Warm.complete, Warm.prefill
async def noted(self, request):
    note("asked", request)
    try:
        await asyncio.sleep(60 if request.path == "song.txt" else 0)
        return await complete(self, request)
    except asyncio.CancelledError:
        note("cancelled", request)
        raise
async def read(self, request):
    note("read", request)
    await prefill(self, request)
Warm.complete, Warm.prefill = noted, read
sys.stderr = Path(sys.argv[2] + ".told").open("w")
lsp.serve_lsp(sys.argv[1], runs=Path("none"), threads=1)
"""


class Notes:
    """What a server of NOTED was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.program = NOTED.replace("sys.argv[2]", repr(str(path)))

    def of(self, what: str) -> list[list]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [rest for kind, *rest in map(json.loads, lines) if kind == what]

    @property
    def told(self) -> str:
        return Path(f"{self.path}.told").read_text()


def test_prompts_are_read_ahead_when_a_file_is_opened_and_when_typing_rests(taught_gguf, tmp_path):
    notes = Notes(tmp_path / "notes")

    async def use(client: Client) -> None:
        uri = open_document(client, tmp_path / "a.py", "x = 1\ny = \n")
        await wait_for(lambda: notes.of("read") == [["a.py", "", 1]])
        change(client, uri, 2, "x = 1\ny = x\n")
        change(client, uri, 3, "x = 1\ny = x + \n")
        await wait_for(lambda: len(notes.of("read")) == 2)
        assert notes.of("read")[1] == ["a.py", "x = 1\ny = x + ", 1]
        change(client, uri, 4, "x = 1\ny = x + 1\n")
        await texts(client, uri, "x = 1\ny = x + 1")
        assert len(notes.of("read")) == 2

    with_client(taught_gguf, tmp_path, use, notes.program)


def test_cancelled_requests_and_what_became_of_suggestions(taught_gguf, tmp_path):
    notes = Notes(tmp_path / "notes")
    lesson = LESSONS["block"]

    async def use(client: Client) -> None:
        song = LESSONS["endless"]
        uri = open_document(client, tmp_path / song.path, song.prefix)
        pending = asyncio.ensure_future(ask(client, uri, song.prefix))
        await wait_for(lambda: notes.of("asked"))
        client.protocol.notify("$/cancelRequest", types.CancelParams(next(iter(client.protocol._request_futures))))
        with pytest.raises(JsonRpcRequestCancelled):
            await pending
        await wait_for(lambda: notes.of("cancelled"))

        uri = open_document(client, tmp_path / lesson.path, lesson.prefix + lesson.suffix)
        (item,) = (await ask(client, uri, lesson.prefix)).items
        assert item.insert_text == lesson.middle and item.command.command == "midspan.accepted"
        client.protocol.notify("textDocument/didShowCompletion", {"item": item})
        client.protocol.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 6})
        client.protocol.notify("textDocument/didShowCompletion", {"item": {"insertText": "of another server"}})
        for _ in range(2):
            await client.workspace_execute_command_async(
                types.ExecuteCommandParams(item.command.command, item.command.arguments)
            )

    with_client(taught_gguf, tmp_path, use, notes.program)
    assert "midspan: 1 suggestions given, 1 shown, 1 accepted, 1 partly accepted" in notes.told


def test_the_entry_selected_in_a_list_is_completed(taught_gguf, tmp_path):
    lesson = LESSONS["block"]
    typed, selected = lesson.prefix + "ret", "return"

    async def use(client: Client) -> None:
        uri = open_document(client, tmp_path / lesson.path, typed + lesson.suffix)
        place = types.Range(position(lesson.prefix), position(typed))
        info = types.SelectedCompletionInfo(place, selected)
        (item,) = (await ask(client, uri, typed, selected=info)).items
        assert item.range == place and item.insert_text == lesson.middle

    with_client(taught_gguf, tmp_path, use)


def test_several_candidates_are_asked_for_by_a_key_only(taught_gguf, tmp_path):
    notes = Notes(tmp_path / "notes")
    lesson = LESSONS["line"]

    async def use(client: Client) -> None:
        uri = open_document(client, tmp_path / lesson.path, lesson.prefix + lesson.suffix)
        await ask(client, uri, lesson.prefix)
        items = (await ask(client, uri, lesson.prefix, types.InlineCompletionTriggerKind.Invoked)).items
        found = [item.insert_text for item in items]
        assert found[0] == lesson.middle and len(set(found)) == len(found)

    with_client(taught_gguf, tmp_path, use, notes.program)
    assert [candidates for _, _, candidates in notes.of("asked")] == [1, CANDIDATES]


def test_folders_come_and_go(taught_gguf, tmp_path):
    lesson = LESSONS["context"]
    root, added = tmp_path / "root", tmp_path / "added"
    for folder in (root, added):
        folder.mkdir()
    for path, text in lesson.files.items():
        (added / path).write_text(text)
    prompts = tmp_path / "prompts"

    async def use(client: Client) -> None:
        folder = types.WorkspaceFolder(added.as_uri(), "added")
        uri = open_document(client, added / lesson.path, lesson.prefix + lesson.suffix)
        await texts(client, uri, lesson.prefix)
        for event in ([folder], []), ([], [folder]):
            changed = types.WorkspaceFoldersChangeEvent(*event)
            client.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(changed))
            await texts(client, uri, lesson.prefix)

    with_client(taught_gguf, root, use, SHOW_PROMPT.replace("sys.argv[2]", repr(str(prompts))))
    before, there, gone, _ = prompts.read_text().split("\n=====\n")
    assert "shapes.py" not in before and "shapes.py" not in gone
    assert "shapes.py" in there and "return width * height" in there


REMOTE = "import sys; from pathlib import Path; from midspan.serve.lsp import serve_lsp; "
REMOTE += "serve_lsp(sys.argv[1], runs=Path('none'), tokenizer=Path({}))"


def test_a_model_behind_a_server_of_ours(server, tmp_path):
    url = str(server[0].base_url).rstrip("/")

    async def use(client: Client) -> None:
        for name in ("block", "two_lines", "healed"):
            lesson = LESSONS[name]
            uri = open_document(client, tmp_path / lesson.path, lesson.prefix + lesson.suffix)
            assert await texts(client, uri, lesson.prefix) == [lesson.middle]

    with_client(url, tmp_path, use, REMOTE.format(repr(str(taught_hf() / "tokenizer.json"))))


def test_broken_model_is_told_once_and_completions_stay_empty(taught_gguf, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(taught_gguf.read_bytes()[:-50_000])

    async def use(client: Client) -> None:
        uri = open_document(client, tmp_path / "a.py", "x = \n")
        for _ in range(3):
            assert await texts(client, uri, "x = ") == []
        started = time.monotonic()
        while not client.messages and time.monotonic() - started < 5:
            await asyncio.sleep(0.05)
        assert len(client.messages) == 1
        assert "llama.cpp cannot load" in client.messages[0]

    with_client(broken, tmp_path, use)


def test_unknown_model_ends_the_server_at_once(tmp_path):
    async def start() -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            START,
            "no-such-model",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ,
        )
        out, err = await asyncio.wait_for(process.communicate(), 20)
        assert out == b""
        return process.returncode, err

    code, err = asyncio.run(start())
    assert code != 0
    assert b"there is no model no-such-model" in err
