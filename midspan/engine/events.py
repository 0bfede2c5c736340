"""Server-sent events as inference servers send them: one line of JSON each."""

from collections.abc import AsyncGenerator

import httpx


async def event_data(response: httpx.Response) -> AsyncGenerator[str, None]:
    """The data of each event as it arrives, without the "[DONE]" that ends a stream.

    Lines are parted at "\\n" only. httpx's own reading of lines parts them at U+0085 and U+2028 too, which may stand
    unescaped in generated text.
    """
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield data.decode(errors="replace")
