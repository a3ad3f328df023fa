"""Programs of this folder run in the environments of their readers and are no tests."""

collect_ignore_glob = ["read_*.py"]
