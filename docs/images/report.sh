#!/usr/bin/env bash
# Makes report.png of the demo's report; needs Debian's chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv run snakemake --cores all --directory "$work" --quiet all
sed -i "s|$work/||g" "$work/results/demo/report.html"  # nobody's folders in the picture
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$work/profile" \
    --window-size=1200,1110 --screenshot="$PWD/docs/images/report.png" \
    "file://$work/results/demo/report.html"
