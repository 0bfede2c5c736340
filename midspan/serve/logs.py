"""Logs: one JSON object a line on standard error, without a word of anyone's source text or paths.

Of an unexpected exception the log has its type and where it was raised, never a message, which may quote what was read.
"""

import json
import logging
import sys
import time
import traceback
from typing import Any

from midspan.serve.config import LogLevel

LOGGERS = ("midspan", "uvicorn.error", "asyncio")


class JsonLines(logging.Formatter):
    """A record as one line of JSON; what it was given as `extra={"fields": {...}}` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage()
            if record.exc_info is None
            else f"unexpected exception, told by {record.name}",
        }
        line |= getattr(record, "fields", {})
        if record.exc_info is not None and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            line["exception"] = kind.__name__
            line["at"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)[-8:]]
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def configure(level: LogLevel) -> None:
    """Write JSON lines of at least `level` to standard error; may be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    # What the web server says of itself at level info is of no use beside our own lines.
    if level == "info":
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
