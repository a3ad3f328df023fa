"""Programs of this folder measure and are no tests."""

collect_ignore_glob = ["*"]
