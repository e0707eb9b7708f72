"""One file for each ARM type: what the specification cannot say about it."""
