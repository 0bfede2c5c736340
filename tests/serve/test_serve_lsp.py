"""A real language client against the server as a child process."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled
from pygls.lsp.client import LanguageClient
from tiny_model import LESSONS

START = "import sys; from pathlib import Path; from midspan.serve.lsp import serve_lsp; "
START += "serve_lsp(sys.argv[1], runs=Path('none'), threads=1)"


class Client(LanguageClient):
    def __init__(self) -> None:
        super().__init__("test", "1")
        self.messages: list[str] = []

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def show(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)


def with_client(model: Path, root: Path, use: Callable[[Client], Awaitable[object]], program: str = START) -> None:
    async def run() -> None:
        client = Client()
        await client.start_io(sys.executable, "-c", program, str(model), cwd=str(Path.cwd()))
        try:
            folders = [types.WorkspaceFolder(root.as_uri(), root.name)]
            result = await client.initialize_async(
                types.InitializeParams(
                    capabilities=types.ClientCapabilities(
                        text_document=types.TextDocumentClientCapabilities(
                            inline_completion=types.InlineCompletionClientCapabilities()
                        )
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


def ask(client: Client, uri: str, prefix: str) -> Awaitable:
    return client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            context=types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
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
from midspan.complete.completer import Completer
from midspan.serve import lsp

complete = Completer.complete
async def noted(self, request):
    suggestion = await complete(self, request)
    with Path(sys.argv[2]).open("a") as file:
        file.write(suggestion.prompt.render(self.engine.tokenizer) + "\\n=====\\n")
    print("noise on standard output")
    return suggestion
Completer.complete = noted
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


SLOW = """
import asyncio, sys
from pathlib import Path
from midspan.complete.completer import Completer
from midspan.serve import lsp

complete = Completer.complete
async def slow(self, request):
    await asyncio.sleep(0.3)
    return await complete(self, request)
Completer.complete = slow
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
