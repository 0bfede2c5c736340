"""FIM room: cutting a document into prefix, middle and suffix."""
