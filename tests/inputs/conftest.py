"""Scripts of `peers` run in the environments of their programs and are no tests."""

collect_ignore_glob = ["peers/*"]
