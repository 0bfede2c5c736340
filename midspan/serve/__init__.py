"""Serve room: HTTP and LSP in front of the completion logic."""
