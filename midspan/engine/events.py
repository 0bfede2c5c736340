"""Server-sent events as inference servers send them: one line of JSON each."""

from collections.abc import AsyncGenerator, AsyncIterable


async def event_data(parts: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """The data of each event in the `parts` of an answer as it arrives, without the "[DONE]" that ends a stream.

    Lines are parted at "\\n" only. httpx's own reading of lines parts them at U+0085 and U+2028 too, which may stand
    unescaped in generated text.
    """
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield data.decode(errors="replace")
