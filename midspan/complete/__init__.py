"""Complete room: from a request at a caret to a suggestion."""
