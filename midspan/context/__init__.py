"""Context room: a project as ranked chunks for one caret."""
