import asyncio
import json
from pathlib import Path

import pytest
import tiny_model

from midspan.engine.locate import locate
from midspan.engine.open import engine_name, open_engine
from midspan.engine.protocol import GenerateRequest
from midspan.errors import MidspanError
from midspan.model.gguf_export import export_gguf
from midspan.recipe.schema import PromptConfig


def stage(run: Path, name: str, finished: bool = True, settings: dict | None = None) -> Path:
    (run / name / "hf").mkdir(parents=True)
    (run / name / "hf" / "config.json").write_text("{}")
    (run / name / "hf" / "model.safetensors").write_bytes(b"")
    if finished:
        (run / name / "manifest.json").write_text(json.dumps({"settings": settings or {}}))
    return run / name


def refusal(model: str, runs: Path) -> str:
    with pytest.raises(MidspanError) as caught:
        asyncio.run(open_engine(model, runs=runs))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_newest_finished_stage_of_a_run_is_taken(tmp_path):
    run = tmp_path / "nano"
    stage(run, "pretrain")
    sft = stage(run, "sft", settings={"prompt": PromptConfig(max_tokens=300).model_dump(mode="json")})
    found = locate("nano", tmp_path)
    assert (found.name, found.path) == ("nano/sft", sft / "hf")
    assert found.prompt is not None and found.prompt.max_tokens == 300
    export = stage(run, "export")
    (export / "model-f16.gguf").write_bytes(b"")
    assert locate("nano", tmp_path).path == export / "model-f16.gguf"
    (export / "model-q8_0.gguf").write_bytes(b"")
    assert locate(str(run), tmp_path / "elsewhere").path == export / "model-q8_0.gguf"
    assert locate(str(sft), tmp_path).path == sft / "hf"


def test_a_run_comes_before_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sft = stage(Path("runs/nano"), "sft")
    Path("nano").mkdir()
    assert locate("nano", Path("runs")).path == sft / "hf"


def test_half_written_stage_is_left_out_and_named(tmp_path, caplog):
    stage(tmp_path / "nano", "pretrain")
    stage(tmp_path / "nano", "dpo", finished=False)
    assert locate("nano", tmp_path).name == "nano/pretrain"
    assert "dpo" in caplog.text


@pytest.mark.parametrize("finished", [(), ("data", "tokenizer")])
def test_half_written_run_is_refused(tmp_path, finished):
    for name in finished:
        stage(tmp_path / "nano", name)
    assert "no finished model" in refusal("nano", tmp_path) if finished else True
    stage(tmp_path / "nano", "pretrain", finished=False)
    assert "half-written: stage pretrain" in refusal("nano", tmp_path)
    assert "half-written" in refusal(str(tmp_path / "nano" / "pretrain"), tmp_path)


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.pth"])
def test_pickles_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert "pickle" in refusal(str(tmp_path / name), tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert "pickle" in refusal(str(tmp_path), tmp_path)


def test_what_is_no_model_is_refused(tmp_path):
    assert "there is no model nonsense" in refusal("nonsense", tmp_path)
    (tmp_path / "notes.txt").write_text("text")
    assert "not a model file" in refusal(str(tmp_path / "notes.txt"), tmp_path)
    assert "neither a run nor" in refusal(str(tmp_path), tmp_path)
    assert "tokenizer" in refusal("http://127.0.0.1:9", tmp_path)


@pytest.mark.parametrize("keep", [0, 3, 23, 24, 40, 5000])
def test_damaged_gguf_is_refused(tmp_path, taught_gguf, keep):
    path = tmp_path / "cut.gguf"
    path.write_bytes(taught_gguf.read_bytes()[:keep])
    assert "cannot be read as GGUF" in refusal(str(path), tmp_path)


def test_gguf_without_its_weights_is_refused_with_the_reason(tmp_path, taught_gguf):
    path = tmp_path / "cut.gguf"
    path.write_bytes(taught_gguf.read_bytes()[:-100_000])
    assert "llama.cpp cannot load" in refusal(str(path), tmp_path)


def test_model_without_fim_tokens_is_refused(tmp_path, smollm2):
    assert "fill-in-the-middle" in refusal(str(smollm2), tmp_path)


def test_hf_directory_is_converted_once_by_its_content(tmp_path, taught_hf, monkeypatch):
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))

    async def text() -> str:
        engine = await open_engine(str(taught_hf), runs=tmp_path, threads=1)
        try:
            ids = engine.tokenizer.encode("import os\n")
            return (await engine.generate(GenerateRequest(ids, 5))).text
        finally:
            await engine.close()

    first = asyncio.run(text())
    (made,) = (tmp_path / "cache" / "gguf").iterdir()
    written = made.stat().st_mtime_ns
    assert asyncio.run(text()) == first
    assert [(made, written)] == [(p, p.stat().st_mtime_ns) for p in (tmp_path / "cache" / "gguf").iterdir()]


def test_cache_that_cannot_be_written_is_named(tmp_path, taught_hf, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("MIDSPAN_CACHE", str(tmp_path / "cache"))
    assert "MIDSPAN_CACHE" in refusal(str(taught_hf), tmp_path)


def test_prompt_settings_travel_in_the_gguf(tmp_path, taught_hf):
    path = tmp_path / "own.gguf"
    own = PromptConfig(max_tokens=321, strategy="iou")
    export_gguf(taught_hf, path, "f16", metadata={"midspan.prompt": own.model_dump_json()})

    async def settings(model: Path) -> tuple[PromptConfig, int]:
        engine = await open_engine(str(model), runs=tmp_path, threads=1)
        await engine.close()
        return engine.prompt_config, engine.context_length

    assert asyncio.run(settings(path)) == (own, tiny_model.CONTEXT_LENGTH)
    export_gguf(taught_hf, path, "f16")
    config, length = asyncio.run(settings(path))
    assert config.max_tokens < length


def test_unknown_prompt_settings_are_refused(tmp_path, taught_hf):
    path = tmp_path / "own.gguf"
    export_gguf(taught_hf, path, "f16", metadata={"midspan.prompt": '{"shape": 3}'})
    assert "prompt settings" in refusal(str(path), tmp_path)


def in_cache(cache: Path, name: str, revision: str = "0123abcd") -> Path:
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    (folder / "snapshots" / revision).mkdir(parents=True)
    return folder / "snapshots" / revision


def test_hugging_face_name_is_found_in_the_local_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = in_cache(tmp_path / "hub", "some/model")
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"")
    (snapshot.parent / "older").mkdir()
    found = locate("some/model", tmp_path)
    assert (found.name, found.path) == ("some/model", snapshot)
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert locate("some/model", tmp_path).path == snapshot
    gguf = in_cache(tmp_path / "hub", "some/gguf")
    (gguf / "model-q8_0.gguf").write_bytes(b"")
    assert locate("some/gguf", tmp_path).path == gguf / "model-q8_0.gguf"
    (gguf / "model-f16.gguf").write_bytes(b"")
    assert "model-f16.gguf, model-q8_0.gguf" in refusal("some/gguf", tmp_path)


def test_hugging_face_name_that_is_not_there_says_how_to_download_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "hf download some/model" in refusal("some/model", tmp_path)
    snapshot = in_cache(tmp_path / "hub", "some/pickle")
    (snapshot / "config.json").write_text("{}")
    (snapshot / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "pickle" in refusal("some/pickle", tmp_path)
    assert "there is no model ../up" in refusal("../up", tmp_path)


def test_engine_is_switched_by_name(tmp_path, taught_hf, taught_gguf):
    async def text(engine: str) -> tuple[str, str]:
        opened = await open_engine(str(taught_hf), runs=tmp_path, threads=1, engine=engine)
        try:
            ids = opened.tokenizer.encode("import os\n")
            return type(opened).__name__, (await opened.generate(GenerateRequest(ids, 5))).text
        finally:
            await opened.close()

    one, other = (asyncio.run(text(engine)) for engine in ("auto", "torch"))
    assert (one[0], other[0]) == ("LlamaCppEngine", "TorchEngine")
    assert one[1] == other[1]
    with pytest.raises(MidspanError, match="PyTorch does not read"):
        asyncio.run(open_engine(str(taught_gguf), runs=tmp_path, engine="torch"))
    with pytest.raises(MidspanError, match="runs here"):
        asyncio.run(open_engine("http://127.0.0.1:9", runs=tmp_path, engine="torch"))
    with pytest.raises(MidspanError, match="there is no engine x; name one of these: auto"):
        engine_name("x")
