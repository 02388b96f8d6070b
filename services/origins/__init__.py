"""Pictures from other hosts: the text of their URLs, the addresses behind their names, and their bytes (reliability.md, 2)."""
