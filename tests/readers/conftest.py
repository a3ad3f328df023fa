"""Programs of this folder run in environments of other programs and are no tests."""

collect_ignore_glob = ["read_*.py", "write_*.py"]
