"""The HTTP server as a process of its own, over a socket."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from server_process import engine_connections, halted, running, until
from tiny_model import LESSONS

from midspan.serve.auth import add_token

HEAD = (
    b"POST /v1/midspan/completions HTTP/1.1\r\n"
    b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
SECRET = "secret_word_that_must_not_be_logged"


def body_of(name: str, **more) -> dict:
    lesson = LESSONS[name]
    files = [{"path": path, "text": text} for path, text in lesson.files.items()]
    return {"path": lesson.path, "prefix": lesson.prefix, "suffix": lesson.suffix, "files": files} | more


def post(client: httpx.Client, body: dict) -> httpx.Response:
    return client.post("/v1/midspan/completions", json=body)


def test_completion_and_health(server):
    client, _, _ = server
    assert client.get("/health").json()["status"] == "ok"
    result = post(client, body_of("block")).json()
    assert result["suggestion"] == "return width * height"
    assert result["logprob"] > -0.1
    assert (result["stop_reason"], result["dropped"]) == ("end", "")
    assert set(result["timings"]) == {"prompt_ms", "generate_ms", "total_ms"}
    assert result["usage"]["prompt_tokens"] > result["usage"]["cached_tokens"] >= 0
    assert result["usage"]["completion_tokens"] > 0
    assert "explain" not in result
    assert post(client, body_of("nothing")).json()["dropped"] == "empty"


def test_context_files_reach_the_prompt_and_explain_says_so(server):
    client, _, _ = server
    result = post(client, body_of("context", explain=True)).json()
    assert result["suggestion"] == "width, height"
    context = [part for part in result["explain"]["parts"] if part["kind"] == "context"]
    assert [part["path"] for part in context] == ["shapes.py"]
    assert context[0]["reason"]
    assert "return width * height" in result["explain"]["prompt"]
    assert sum(part["tokens"] for part in result["explain"]["parts"]) == result["usage"]["prompt_tokens"]
    steps = post(client, body_of("closers", explain=True)).json()["explain"]["steps"]
    assert any(step["did"].endswith("-> 1 characters") for step in steps)


def test_stream_sends_deltas_then_the_suggestion(server):
    client, _, _ = server
    body = body_of("two_lines", stream=True, document="unseen")
    with client.stream("POST", "/v1/midspan/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    *deltas, final = events
    assert deltas
    assert "".join(event["delta"] for event in deltas) == final["suggestion"] == LESSONS["two_lines"].middle


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"max_new_tokens": 0}, 422, "max_new_tokens"),
        ({"caret": "word"}, 422, "caret"),
        ({"prefix": 3}, 422, "prefix"),
        ({"path": ""}, 422, "path"),
        ({"nonsense": 1}, 422, "nonsense"),
        ({"prefix": "\ud800"}, 422, "prefix"),
        ({"max_new_tokens": "64"}, 422, "max_new_tokens"),
        ({"skip": ["nonsense"]}, 400, "nonsense"),
        ({"stop": [3]}, 422, "stop.0"),
        ({"path": "long/" * 800}, 400, "path"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(server, change, status, message):
    client, _, _ = server
    content = json.dumps(body_of("block") | change).encode()
    response = client.post("/v1/midspan/completions", content=content, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    assert message in response.json()["error"]["message"]
    assert len(response.text) < 400


def test_all_refusals_have_one_form(server):
    client, _, _ = server
    path = "/v1/midspan/completions"
    json_type = {"content-type": "application/json"}
    for response, status in (
        (client.get("/nowhere"), 404),
        (client.get(path), 405),
        (client.post(path, content=b"\xff", headers=json_type), 400),
        (client.post(path, content=b"{", headers=json_type), 422),
        (client.post(path, json=body_of("block"), headers={"Host": "page.example"}), 403),
    ):
        assert response.status_code == status
        assert response.json()["error"]["message"]


def test_oversized_requests_are_refused(server):
    client, _, _ = server
    assert post(client, body_of("block", prefix="x" * 9_000_000)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 100_000

    try:
        response = client.post("/v1/midspan/completions", content=endless())
        assert response.status_code == 413
    except httpx.WriteError:
        pass  # The server hung up while we were still sending.
    assert client.get("/health").status_code == 200


def test_many_clients_at_once_all_get_their_own_answer(server):
    client, _, _ = server
    names = ["line", "block", "two_lines", "context", "emoji"]
    with ThreadPoolExecutor(len(names)) as pool:
        for _ in range(4):
            answers = list(pool.map(lambda name: post(client, body_of(name)).json()["suggestion"], names))
            assert answers == [LESSONS[name].middle for name in names]


def test_killed_engine_is_an_error_then_works_again(server):
    client, process, _ = server
    with ThreadPoolExecutor(1) as pool, halted(process) as child:
        before = engine_connections(process, child)  # what is worked out ahead has one
        pending = pool.submit(post, client, body_of("endless", max_new_tokens=800))
        until(lambda: engine_connections(process, child) - before)
        child.kill()
        response = pending.result()
    assert response.status_code == 503
    assert "SIGKILL" in response.json()["error"]["message"]
    assert post(client, body_of("block")).json()["suggestion"] == "return width * height"
    assert [c.pid for c in process.children()] != [child.pid]


@pytest.mark.parametrize("stream", [False, True])
def test_disconnect_cancels_the_work(taught_gguf, tmp_path, stream):
    with running(taught_gguf, tmp_path / "log") as (client, process):
        (child,) = process.children()
        song = LESSONS["endless"]

        def long(number: int) -> dict:  # none is the beginning of another, or memory would answer
            return body_of("endless", prefix=f"{number} {song.prefix}", max_new_tokens=800, stream=stream)

        before = child.cpu_times().user
        post(client, long(0))
        whole = child.cpu_times().user - before
        with halted(process):
            known = engine_connections(process, child)
            for number in range(1, 21):
                content = json.dumps(long(number)).encode()
                with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
                    connection.sendall(HEAD % len(content) + content)
                    until(lambda: engine_connections(process, child) - known)
                until(lambda: not engine_connections(process, child) - known)
        before = child.cpu_times().user
        assert post(client, body_of("block")).json()["suggestion"] == "return width * height"
        time.sleep(0.5)
        assert child.cpu_times().user - before < 5 * whole + 0.3


def test_token_is_asked_for(taught_gguf, tmp_path):
    right, wrong = add_token(tmp_path / "tokens", "ann"), add_token(tmp_path / "others", "ann")
    with running(taught_gguf, tmp_path / "log", token_file=str(tmp_path / "tokens")) as (client, _):
        assert client.get("/health").status_code == 200
        for headers in ({}, {"Authorization": f"Bearer {wrong}"}, {"Authorization": "Bearer é".encode()}):
            response = client.post("/v1/midspan/completions", json=body_of("block"), headers=headers)
            assert response.status_code == 401
            assert "key" in response.json()["error"]["message"]
        response = client.post(
            "/v1/midspan/completions", json=body_of("block"), headers={"Authorization": f"Bearer {right}"}
        )
        assert response.json()["suggestion"] == "return width * height"


def test_logs_hold_no_source_text(server):
    client, _, log = server
    post(client, body_of("block", prefix=f"{SECRET} = "))
    post(client, body_of("block", prefix=f"{SECRET} = ", max_new_tokens=5000))
    assert SECRET not in log.read_text()
