import asyncio
import json

import pytest

from midspan.engine.batch import Journal, run_resumable
from midspan.engine.protocol import EngineError
from midspan.errors import MidspanError
from midspan.recipe.progress import Progress


def run(journal, keys, work, workers=3):
    async def main():
        with Progress(quiet=True).task("test", len(keys)) as task:
            return await run_resumable(((key, key.upper()) for key in keys), work, journal, workers, task)

    return asyncio.run(main())


def recording(calls):
    async def work(key, item):
        calls.append(key)
        await asyncio.sleep(0)
        return {"item": item}

    return work


def test_records_come_back_in_the_order_of_writing(tmp_path):
    journal = Journal(tmp_path / "j.jsonl")
    assert journal.read() == []
    records = [{"text": "a\nb\u2028c"}, {"n": 1.5}, {}]
    for record in records:
        journal.append(record)
    assert journal.read() == records


@pytest.mark.parametrize("torn", [b'{"key": "b", "va', b'{"key": "b"}', b"\x00\x00\x00\n", b"[1]\n"])
def test_a_torn_tail_is_cut_off_and_writing_goes_on(tmp_path, torn):
    journal = Journal(tmp_path / "j.jsonl")
    journal.append({"key": "a"})
    with (tmp_path / "j.jsonl").open("ab") as file:
        file.write(torn)
    assert journal.read() == [{"key": "a"}]
    journal.append({"key": "c"})
    assert journal.read() == [{"key": "a"}, {"key": "c"}]


def test_only_what_the_journal_lacks_is_done(tmp_path):
    journal, calls = Journal(tmp_path / "j.jsonl"), []
    first = run(journal, ["a", "b", "c", "d"], recording(calls))
    assert sorted(calls) == ["a", "b", "c", "d"]
    content = (tmp_path / "j.jsonl").read_bytes()
    (tmp_path / "j.jsonl").write_bytes(content[: content.rindex(b'{"key"') + 9])
    torn = json.loads(content.splitlines()[-1])["key"]
    calls.clear()
    assert run(journal, ["a", "b", "c", "d"], recording(calls)) == first
    assert calls == [torn]


def test_workers_share_the_items_and_no_more_than_allowed_run_at_once(tmp_path):
    running, most = 0, 0

    async def work(key, item):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return {}

    done = run(Journal(tmp_path / "j.jsonl"), [str(number) for number in range(20)], work, workers=3)
    assert len(done) == 20
    assert most == 3


def test_an_error_is_raised_as_it_is_and_finished_items_stay(tmp_path):
    async def work(key, item):
        if key == "c":
            raise MidspanError("the engine is gone", "start it")
        return {"item": item}

    journal = Journal(tmp_path / "j.jsonl")
    with pytest.raises(MidspanError, match="the engine is gone"):
        run(journal, ["a", "b", "c", "d"], work, workers=1)
    assert [record["key"] for record in journal.read()] == ["a", "b"]


@pytest.mark.parametrize(("failures", "succeeds"), [(2, True), (3, False)])
def test_a_failing_engine_is_tried_three_times(tmp_path, failures, succeeds):
    calls = []

    async def work(key, item):
        calls.append(key)
        if len(calls) <= failures:
            raise EngineError("the child crashed")
        return {}

    if succeeds:
        assert run(Journal(tmp_path / "j.jsonl"), ["a"], work) == {"a": {}}
    else:
        with pytest.raises(EngineError):
            run(Journal(tmp_path / "j.jsonl"), ["a"], work)
    assert len(calls) == 3
