import asyncio
import json
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from midspan.engine.events import event_data


def read(content: bytes, size: int) -> list[str]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    async def run() -> list[str]:
        return [data async for data in event_data(chunks())]

    return asyncio.run(run())


@given(
    texts=st.lists(st.text(alphabet='a\n\r\x85\u2028\u2029\x1c\x0c語😀"\\')),
    newline=st.sampled_from([b"\n\n", b"\r\n\r\n"]),
    size=st.integers(1, 9),
)
def test_any_text_comes_whole_however_it_is_cut_on_its_way(texts: list[str], newline: bytes, size: int) -> None:
    events = [b"data: " + json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    content = b"".join(event + newline for event in [b": comment", *events, b"data: [DONE]"])
    assert [json.loads(data)["text"] for data in read(content, size)] == texts


def test_a_line_that_is_broken_off_is_no_event() -> None:
    assert read(b'data:{"a": 1}\n\ndata: {"b"', 64) == ['{"a": 1}']
