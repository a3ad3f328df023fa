"""Keeps pytest away from what runs in the readers' own environments."""

collect_ignore_glob = ["read_*.py"]
