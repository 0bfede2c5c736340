"""Other clients' protocols over a socket, as these clients use them."""

import json

import httpx
import pytest
from tiny_model import LESSONS

from midspan.prompt.formats import FORMATS
from midspan.serve.dialects.fields import MAX_NEW_TOKENS

LESSON = LESSONS["pathless"]
CODE = LESSON.prefix + LESSON.middle + LESSON.suffix
FIM = f"<fim_prefix>{LESSON.prefix}<fim_suffix>{LESSON.suffix}<fim_middle>"


@pytest.fixture
def client(server) -> httpx.Client:
    return server[0]


def post(client: httpx.Client, path: str, **body) -> httpx.Response:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response


def sse(response: httpx.Response) -> list[dict]:
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in response.text.split("\n\n") if line)
    return [json.loads(event) for event in events if event != "[DONE]"]


def ndjson(response: httpx.Response) -> list[dict]:
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


TEMPLATES = {
    "starcoder": "<fim_prefix>{}<fim_suffix>{}<fim_middle>",
    "mellum": "<fim_suffix>{1}<fim_prefix>{0}<fim_middle>",
    "qwen": "<|fim_prefix|>{}<|fim_suffix|>{}<|fim_middle|>",
    "codellama": "<PRE> {} <SUF>{} <MID>",
    "deepseek": "<｜fim▁begin｜>{}<｜fim▁hole｜>{}<｜fim▁end｜>",
    "codestral": "[SUFFIX]{1}[PREFIX]{0}",
}


@pytest.mark.parametrize("family", TEMPLATES)
def test_prompts_made_for_any_family_are_made_anew_for_the_model(client, family):
    assert any(family in name for name in FORMATS)
    prompt = TEMPLATES[family].format(LESSON.prefix, LESSON.suffix)
    answers = [
        post(client, "/v1/completions", prompt=prompt).json()["choices"][0]["text"],
        post(client, "/completion", prompt=prompt).json()["content"],
        post(client, "/api/generate", prompt=prompt, raw=True, stream=False).json()["response"],
    ]
    assert answers == [LESSON.middle] * 3


def test_openai_completions(client):
    null = dict.fromkeys(["n", "stop", "suffix", "logprobs", "user", "temperature", "echo", "stream"])
    answer = post(client, "/v1/completions", prompt=FIM, model="gpt", max_tokens=20, environment=None, **null).json()
    (choice,) = answer["choices"]
    assert choice == {"index": 0, "text": LESSON.middle, "logprobs": None, "finish_reason": "stop"}
    assert answer["object"] == "text_completion" and answer["id"].startswith("cmpl-")
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert answer["model"] == client.get("/v1/models").json()["data"][0]["id"]
    suffixed = post(client, "/v1/completions", prompt=LESSON.prefix, suffix=LESSON.suffix, echo=True).json()
    assert suffixed["choices"][0]["text"] == LESSON.prefix + LESSON.middle
    cut = post(client, "/v1/completions", prompt=FIM, max_tokens=1).json()["choices"][0]
    assert LESSON.middle.startswith(cut["text"]) and cut["finish_reason"] == "length"
    stopped = post(client, "/v1/completions", prompt=FIM, stop=["", " *"]).json()["choices"][0]
    assert stopped["text"] == "2" and stopped["finish_reason"] == "stop"


def test_openai_several_prompts_and_ids(client):
    answer = post(client, "/v1/completions", prompt=[FIM, FIM]).json()
    assert [choice["text"] for choice in answer["choices"]] == [LESSON.middle] * 2
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    parts = post(client, "/v1/completions", prompt=[[40, 41], [42]], max_tokens=2).json()
    assert len(parts["choices"]) == 2
    refused = client.post("/v1/completions", json={"prompt": [10**6]})
    assert refused.status_code == 400 and "vocabulary" in refused.json()["error"]["message"]


def test_openai_stream(client):
    response = post(
        client, "/v1/completions", prompt=FIM, stream=True, stream_options={"include_usage": True}, max_tokens=20
    )
    assert response.text.endswith("data: [DONE]\n\n")
    *pieces, end, usage = sse(response)
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == LESSON.middle
    assert end["choices"][0]["finish_reason"] == "stop" and end["choices"][0]["text"] == ""
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] >= 0
    assert len({event["id"] for event in [*pieces, end, usage]}) == 1
    assert not any("usage" in event for event in sse(post(client, "/v1/completions", prompt=FIM, stream=True)))


def test_mistral_fim(client):
    answer = post(client, "/v1/fim/completions", prompt=LESSON.prefix, suffix=LESSON.suffix).json()
    assert answer["choices"][0]["message"]["content"] == LESSON.middle
    (event,) = sse(post(client, "/v1/fim/completions", prompt=LESSON.prefix, suffix=LESSON.suffix, stream=True))
    assert event["choices"][0]["delta"]["content"] == LESSON.middle


def infill(**more) -> dict:
    """The body as llama.vim sends it: the caret's line apart, fields for llama.cpp alone."""
    above, line = LESSON.prefix.rsplit("\n", 1)
    return {
        "id_slot": 0,
        "input_prefix": above + "\n",
        "input_suffix": LESSON.suffix,
        "input_extra": [],
        "prompt": line,
        "n_predict": 64,
        "stop": [],
        "n_indent": 4,
        "top_k": 40,
        "top_p": 0.90,
        "samplers": ["top_k", "top_p", "infill"],
        "stream": False,
        "cache_prompt": True,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 250,
    } | more


def test_llama_cpp_infill(client):
    # A seed nobody asked with before: what was answered before costs no tokens.
    answer = post(client, "/infill", **infill(seed=7)).json()
    assert answer["content"] == LESSON.middle and answer["stop"] and answer["stop_type"] == "eos"
    timings = answer["timings"]
    assert timings["cache_n"] + timings["prompt_n"] == answer["tokens_evaluated"]
    assert timings["predicted_n"] == answer["tokens_predicted"] > 0
    assert timings["predicted_per_second"] == pytest.approx(timings["predicted_n"] * 1000 / timings["predicted_ms"])
    fields = ["content", "timings/prompt_n", "timings/predicted_ms", "timings/nonsense", "tokens_cached", "truncated"]
    response = post(client, "/infill", **infill(response_fields=fields))
    assert set(response.json()) == {*fields} - {"timings/nonsense"}
    assert f'"content":"{LESSON.middle}"' in response.text


def test_llama_cpp_reads_ahead_and_gives_candidates(client):
    extra = [{"text": "x = 1\n", "time": [1, 2], "filename": "a.py"}, {"text": "y = 2\n", "time": 3}]
    ahead = infill(n_predict=0, input_prefix="", input_suffix="", prompt="", input_extra=extra, response_fields=[""])
    assert post(client, "/infill", **ahead).json() == {}
    found = post(client, "/infill", **infill(n_cmpl=3, response_fields=["content"])).json()
    assert found[0] == {"content": LESSON.middle} and 1 <= len(found) <= 3


def test_llama_cpp_context_is_printed(client):
    lesson = LESSONS["context"]
    extra = [{"text": text, "filename": path} for path, text in lesson.files.items()]
    body = infill(input_prefix="", prompt=lesson.prefix, input_suffix=lesson.suffix, n_predict=1)
    without = post(client, "/infill", **body).json()["tokens_evaluated"]
    assert post(client, "/infill", **body | {"input_extra": extra}).json()["tokens_evaluated"] > without + 10


def test_llama_cpp_completion_streams(client):
    *pieces, end = sse(post(client, "/completion", prompt=FIM, n_predict=20, stream=True))
    assert "".join(piece["content"] for piece in pieces) == LESSON.middle
    assert not any(piece["stop"] for piece in pieces) and end["stop"] and end["timings"]["predicted_n"] >= 0
    assert client.get("/props").json()["default_generation_settings"]["n_ctx"] == 1024
    as_curl_sends_it = client.post("/completion", content=json.dumps({"prompt": FIM}))
    assert as_curl_sends_it.json()["content"] == LESSON.middle


def test_tabby(client):
    lesson = LESSONS["context"]
    snippets = [{"filepath": path, "body": text, "score": 1.0} for path, text in lesson.files.items()]
    segments = {"prefix": lesson.prefix, "suffix": lesson.suffix, "filepath": lesson.path, "clipboard": "x"}
    segments |= {"relevant_snippets_from_changed_files": snippets, "git_url": None, "declarations": None}
    debug = {"return_snippets": True, "return_prompt": True}
    answer = post(client, "/v1/completions", language="python", segments=segments, debug_options=debug, user="u").json()
    assert answer["choices"] == [{"index": 0, "text": lesson.middle}] and answer["mode"] == "standard"
    assert [snippet["filepath"] for snippet in answer["debug_data"]["snippets"]] == [*lesson.files]
    assert "<fim_middle>" in answer["debug_data"]["prompt"]
    event = {"type": "view", "completion_id": answer["id"], "choice_index": 0, "view_id": None, "elapsed": None}
    post(client, "/v1/events?select_kind=line", **event, select_kind="line")
    raw = post(client, "/v1/completions", debug_options={"raw_prompt": FIM}).json()
    assert raw["choices"][0]["text"] == LESSON.middle and "debug_data" not in raw
    health = client.get("/v1/health").json()
    assert client.post("/v1/health").json() == health and health["model"] and health["device"]
    assert client.get("/v1beta/server_setting").json() == {"disable_client_side_telemetry": True}
    assert client.get("/v1beta/models").json()["completion"] == [health["model"]]


def test_ollama(client):
    *pieces, end = ndjson(post(client, "/api/generate", model="m", prompt=LESSON.prefix, suffix=LESSON.suffix))
    assert "".join(piece["response"] for piece in pieces) == LESSON.middle
    assert end["done"] and end["done_reason"] == "stop" and end["eval_count"] >= 0 and end["total_duration"] > 0
    whole = {"prompt": LESSON.prefix, "suffix": LESSON.suffix, "stream": False}
    assert post(client, "/api/generate", **whole).json()["response"] == LESSON.middle
    short = post(client, "/api/generate", **whole, options={"num_predict": 1}).json()
    assert short["done_reason"] == "length" and LESSON.middle.startswith(short["response"])
    stopped = post(client, "/api/generate", **whole, options={"stop": [" *"], "num_ctx": 4096}).json()
    assert stopped["response"] == "2"
    assert post(client, "/api/generate", model="m", stream=False).json()["done_reason"] == "load"
    shown = post(client, "/api/show", model="m").json()
    assert ".Suffix" in shown["template"] and "insert" in shown["capabilities"]
    assert client.get("/api/tags").json()["models"][0]["name"] and client.get("/api/version").json()["version"]


def test_raw_text_passes_no_step(client):
    song = LESSONS["endless"].prefix
    *pieces, _ = ndjson(
        post(client, "/api/generate", prompt=song, raw=True, options={"num_predict": 16, "temperature": 1.5, "seed": 3})
    )
    assert len(pieces) > 2


def test_more_is_asked_for_than_the_context_holds(client):
    answer = post(client, "/v1/completions", prompt=FIM, max_tokens=10**9).json()
    assert answer["choices"][0]["text"] == LESSON.middle
    assert post(client, "/infill", **infill(n_predict=-1)).json()["content"] == LESSON.middle
    assert MAX_NEW_TOKENS == 1024


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/completions", {"prompt": 3}, 422),
        ("/v1/completions", {"prompt": []}, 422),
        ("/v1/completions", {"prompt": "x", "n": 0}, 422),
        ("/v1/completions", {"prompt": "x", "temperature": -1}, 422),
        ("/v1/completions", {"prompt": "x", "stop": ["x"] * 100}, 422),
        ("/v1/completions", {}, 400),
        ("/v1/completions", {"segments": {"prefix": 1}}, 422),
        ("/v1/completions", [], 422),
        ("/v1/fim/completions", {"suffix": "x"}, 422),
        ("/infill", {"input_prefix": None}, 422),
        ("/infill", {"input_extra": [{}]}, 422),
        ("/completion", {"prompt": [True]}, 422),
        ("/v1/events", {"type": "like", "completion_id": "x", "choice_index": 0}, 422),
        ("/api/generate", {"prompt": 1}, 422),
        ("/api/generate", {"prompt": "x", "options": []}, 422),
    ],
)
def test_bad_requests_are_refused_in_the_words_of_the_dialect(client, path, body, status):
    response = client.post(path, json=body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    if path.startswith("/api"):
        assert isinstance(error, str)
    elif path.startswith("/v1"):
        assert error["type"] == "invalid_request_error" and error["message"]
    else:
        assert error["code"] == status and error["message"]
    assert "function-after" not in response.text and len(response.text) < 400


def test_the_description_names_every_operation_with_its_answers(client):
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            content = operation["responses"]["200"]["content"]
            if path == "/metrics":
                assert list(content) == ["text/plain"]
                continue
            schema = content["application/json"]["schema"]
            assert schema or path == "/v1/events", where
            assert operation["description"], where
            if path != "/health":
                assert {"400", "401", "413", "422", "429", "503"} <= set(operation["responses"]), where
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                for part in body.get("oneOf", [body]):
                    name = part["$ref"].rpartition("/")[2]
                    assert "description" in document["components"]["schemas"][name], where
