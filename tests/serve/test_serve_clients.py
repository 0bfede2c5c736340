"""Real clients, as they are published, against a real server process: plug-ins, agents and client libraries."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ollama
import openai
import pytest
from installed_tools import LLAMA_VIM, TABBY_AGENT, needed, node
from lsprotocol import types
from neovim_process import neovim
from pygls.lsp.client import LanguageClient
from tiny_model import LESSONS

LINE, BLOCK = LESSONS["pathless"], LESSONS["pathless_block"]
FIM = f"<fim_prefix>{LINE.prefix}<fim_suffix>{LINE.suffix}<fim_middle>"


@pytest.fixture
def url(server) -> str:
    return str(server[0].base_url).rstrip("/")


@pytest.mark.parametrize(("lesson", "indent"), [(LINE, ""), (BLOCK, "    ")])
def test_llama_vim_shows_a_suggestion_and_tab_accepts_it(url, tmp_path, lesson, indent):
    file = tmp_path / "code.txt"
    file.write_text(lesson.prefix + indent + lesson.suffix)
    config = {"endpoint_fim": f"{url}/infill", "ring_n_chunks": 0, "show_info": 0}
    commands = f"set rtp^={needed(LLAMA_VIM)}", f"let g:llama_config = {json.dumps(config)}"
    with neovim(tmp_path, file, *commands) as editor:
        line = lesson.prefix.count("\n") + 1
        editor.keys(f"{line}GA")
        editor.wait("mode()", "i")
        editor.wait("llama#is_fim_hint_shown()", "true")
        ghost = (
            "nvim_buf_get_extmarks(0, nvim_create_namespace('vt_fim'), 0, -1, {'details': 1})[-1][3].virt_text[0][0]"
        )
        shown = editor.value(ghost)
        assert lesson.middle.endswith(shown) and shown
        editor.keys("<Tab>")
        accepted = lesson.prefix + lesson.middle + lesson.suffix
        editor.wait(f"getline({line})", accepted.splitlines()[line - 1])
        editor.keys("<Esc>:w<CR>")
        editor.wait("&modified", "0")
    assert file.read_text() == accepted


def agent_home(folder: Path, url: str) -> dict[str, str]:
    """The environment of a Tabby agent that is set up for the server."""
    config = folder / ".tabby-client/agent/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[server]\nendpoint = "{url}"\n[anonymousUsageTracking]\ndisable = true\n')
    return {"HOME": str(folder)}


def test_tabby_agent_completes_over_its_language_server(url, tmp_path):
    async def run() -> None:
        client = LanguageClient("test", "1")
        await client.start_io(str(node()), str(needed(TABBY_AGENT)), "--lsp", "--stdio", env=agent_home(tmp_path, url))
        try:
            await client.initialize_async(
                types.InitializeParams(
                    capabilities=types.ClientCapabilities(),
                    root_uri=tmp_path.as_uri(),
                    client_info=types.ClientInfo("test", "1"),
                )
            )
            client.initialized(types.InitializedParams())
            uri = (tmp_path / "code.py").as_uri()
            item = types.TextDocumentItem(uri, "python", 1, LINE.prefix + LINE.suffix)
            client.text_document_did_open(types.DidOpenTextDocumentParams(item))
            place = types.Position(LINE.prefix.count("\n"), len(LINE.prefix.rpartition("\n")[2]))
            found = await asyncio.wait_for(
                client.text_document_completion_async(types.CompletionParams(types.TextDocumentIdentifier(uri), place)),
                60,
            )
            assert [item.text_edit.new_text for item in found.items] == [LINE.middle]
            assert found.items[0].data["completionId"].startswith("cmpl-")
            await asyncio.wait_for(client.shutdown_async(None), 10)
            client.exit(None)
        finally:
            await asyncio.wait_for(client.stop(), 10)

    asyncio.run(run())


def test_tabby_agent_completes_and_tells_what_became_of_it(url, tmp_path):
    with subprocess.Popen(
        [node(), needed(TABBY_AGENT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=agent_home(tmp_path, url),
    ) as agent:
        assert agent.stdin is not None and agent.stdout is not None
        try:
            call = _caller(agent)
            assert call("initialize", {"clientProperties": {"session": {"client": "test"}}}) is True
            assert call("getStatus") == "ready"
            assert call("getServerHealthState")["device"]
            place = len(LINE.prefix)
            text = LINE.prefix + LINE.suffix
            asked = {"filepath": "", "language": "python", "text": text, "position": place, "manually": True}
            answer = call("provideCompletions", asked)
            assert answer["choices"][0]["text"] == LINE.middle
            event = {"completion_id": answer["id"], "choice_index": 0}
            for kind in ("view", "select"):
                assert call("postEvent", event | {"type": kind, "select_kind": "line"}) is True
        finally:
            agent.kill()


def _caller(agent: "subprocess.Popen[str]") -> Callable[..., Any]:
    """Calls of the agent's functions: lines of JSON, [number, call] and [number, answer]; number 0 are its events."""
    number = 0

    def call(function: str, *arguments: object) -> Any:
        nonlocal number
        number += 1
        assert agent.stdin is not None and agent.stdout is not None
        agent.stdin.write(json.dumps([number, {"func": function, "args": [*arguments]}]) + "\n")
        agent.stdin.flush()
        for line in agent.stdout:
            if (answer := json.loads(line))[0] == number:
                return answer[1]
        raise AssertionError("the agent has gone")

    return call


def test_openai_package(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        (model,) = client.models.list().data
        answer = client.completions.create(model=model.id, prompt=FIM, max_tokens=20, temperature=0)
        assert answer.choices[0].text == LINE.middle and answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        stream = client.completions.create(model=model.id, prompt=LINE.prefix, suffix=LINE.suffix, stream=True)
        assert "".join(chunk.choices[0].text for chunk in stream) == LINE.middle
        with pytest.raises(openai.UnprocessableEntityError, match="prompt"):
            client.completions.create(model=model.id, prompt=3)  # type: ignore[call-overload]


def test_ollama_package(url):
    client = ollama.Client(host=url)
    (model,) = client.list().models
    assert model.model is not None
    assert ".Suffix" in (client.show(model.model).template or "")
    answer = client.generate(model=model.model, prompt=LINE.prefix, suffix=LINE.suffix, options={"num_predict": 20})
    assert answer.response == LINE.middle and answer.done_reason == "stop"
    stream = client.generate(model=model.model, prompt=FIM, raw=True, stream=True)
    assert "".join(part.response for part in stream) == LINE.middle
    with pytest.raises(ollama.ResponseError, match="num_predict"):
        client.generate(model=model.model, prompt="x", options={"num_predict": "many"})
