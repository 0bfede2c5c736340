"""Daft, set up for our use: it reports nothing home and leaves the terminal to our own progress.

The native runner uses all cores of one machine; a program that calls `daft.set_runner_ray()` first runs the same
dataframes on a Ray cluster.
"""

import os

os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")

import daft

__all__ = ["daft"]
