"""Data room: from sources to a licensed, deduplicated corpus with provenance."""
