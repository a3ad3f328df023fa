"""Keeps pytest away: nothing in this folder is a test, and nothing in it is timed by one."""

collect_ignore_glob = ["*"]
