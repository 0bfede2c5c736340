"""Public benchmarks: their own files, their own post-processing, their own metrics."""
