"""Several workers before a remote engine: a real llama.cpp server in a process of its own."""

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator

import httpx
import psutil
import pytest
import tiny_model
from server_process import running, until
from tiny_model import LESSONS

from midspan.engine.llama_cpp_process import Settings, start
from midspan.errors import MidspanError
from midspan.serve.listen import bind
from midspan.serve.run import serve

PATH = "/v1/midspan/completions"


def body_of(name: str, **more) -> dict:
    lesson = LESSONS[name]
    return {"path": lesson.path, "prefix": lesson.prefix, "suffix": lesson.suffix} | more


def before_an_engine(taught_gguf, use) -> None:
    """Call `use` with the settings of a server before a llama.cpp server."""

    async def scene() -> None:
        child = await start(Settings(str(taught_gguf), tiny_model.CONTEXT_LENGTH, threads=1))
        os.environ["MIDSPAN_ENGINE_KEY"] = child.key
        try:
            await asyncio.to_thread(
                use, {"model": child.address, "tokenizer": str(tiny_model.taught_hf() / "tokenizer.json")}
            )
        finally:
            del os.environ["MIDSPAN_ENGINE_KEY"]
            await child.stop()

    asyncio.run(scene())


def workers_of(process: psutil.Process) -> list[int]:
    alive = []
    for child in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # or not yet buried
            alive += [child.pid] * ("spawn_main" in " ".join(child.cmdline()))
    return alive


def clients(url: httpx.URL) -> Iterator[httpx.Client]:
    """New connections, which the kernel spreads over the workers."""
    for _ in range(40):
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client


def test_workers_share_the_port_and_the_metrics_and_are_replaced(taught_gguf, tmp_path):
    log = tmp_path / "log"

    def use(settings: dict) -> None:
        model = settings.pop("model")
        with running(model, log, workers=2, **settings) as (client, process):
            assert client.post(PATH, json=body_of("block")).json()["suggestion"] == "return width * height"
            asked = 1
            for other in clients(client.base_url):
                assert other.get("/health").status_code == 200
                asked += 1
            found = re.compile(r'^midspan_requests_total\{.*status="200"\} (\S+)$', re.M)

            def counted() -> float:
                nonlocal asked
                asked += 1  # this very request counts in the next
                return sum(map(float, found.findall(client.get("/metrics").text))) + 1

            until(lambda: counted() == asked)
            first, second = workers_of(process)

            os.kill(first, signal.SIGKILL)
            until(lambda: len(workers_of(process)) == 2 and first not in workers_of(process))
            assert second in workers_of(process)
            client.close()
            with httpx.Client(base_url=client.base_url, timeout=60, trust_env=False) as other:
                assert other.post(PATH, json=body_of("line")).json()["suggestion"] == "price * count"

            os.kill(process.pid, signal.SIGHUP)
            until(lambda: log.read_text().count("settings read again") >= 1)

    before_an_engine(taught_gguf, use)
    for line in log.read_text().splitlines():
        if line.startswith("{"):
            assert "Traceback" not in json.loads(line)["message"]


def test_no_worker_outlives_its_parent(taught_gguf, tmp_path):
    def use(settings: dict) -> None:
        model = settings.pop("model")
        with pytest.raises(AssertionError), running(model, tmp_path / "log", workers=2, **settings) as (_, process):
            workers = [psutil.Process(pid) for pid in workers_of(process)]
            process.kill()
            psutil.wait_procs(workers, timeout=60)
            assert not any(worker.is_running() for worker in workers)
            raise AssertionError  # a killed server does not end well

    before_an_engine(taught_gguf, use)


def test_why_workers_cannot_start_is_said(taught_gguf, tmp_path, capfd):
    with pytest.raises(MidspanError, match="an embedded model is served by one process"):
        serve(None, {"model": str(taught_gguf), "port": 0, "workers": 2})
    with bind("127.0.0.1", 0) as closed:
        nobody = closed.getsockname()[1]
    tokenizer = tiny_model.taught_hf() / "tokenizer.json"
    with pytest.raises(MidspanError, match="a worker could not start"):
        serve(None, {"model": f"http://127.0.0.1:{nobody}", "tokenizer": tokenizer, "port": 0, "workers": 2})
    assert "no server answers" in capfd.readouterr().err
