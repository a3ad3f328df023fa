#!/usr/bin/env bash
# Makes site.png of a page of the documentation's site; needs Debian's chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv run python docs/stage.py
uv run --group docs zensical build --strict
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$work/profile" \
    --window-size=1100,900 --virtual-time-budget=4000 --screenshot="$PWD/docs/images/site.png" \
    "file://$PWD/build/site/docs/tutorial.html"
