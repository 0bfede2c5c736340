"""Recipe room: the typed configuration, the graph of stages, cache, lineage, model card."""
