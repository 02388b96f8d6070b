"""One operation a file. A file put here is found by the registry: nothing else has to know of it."""
