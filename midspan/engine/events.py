"""Lines of JSON, and server-sent events of one such line each, as inference servers stream them."""

from collections.abc import AsyncGenerator, AsyncIterable


async def lines_of(parts: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """The whole lines in the `parts` of an answer as it arrives, without their ends.

    Lines are parted at "\\n" only: U+0085 and U+2028 may stand unescaped in generated text.
    """
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


async def event_data(parts: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """The data of each event in the `parts` of an answer as it arrives, without the "[DONE]" that ends a stream."""
    async for line in lines_of(parts):
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data != "[DONE]":
            yield data
