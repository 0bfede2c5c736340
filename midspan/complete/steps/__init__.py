"""The steps from generated text to a suggestion: one pure function per file."""
