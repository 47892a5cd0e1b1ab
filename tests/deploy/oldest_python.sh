#!/usr/bin/env bash
# The oldest Python, with the last of each package that installs there, on this machine's GStreamer: Python 3.6, numpy 1.19.5, OpenCV
# 4.6, ONNX Runtime 1.10. A clone, `make demo PYTHON=python3.6` in it, and the versions held against the table they come from.
#   tests/deploy/oldest_python.sh
# Needs a Python 3.6 (pyenv's will do) and what deploy/setup.sh needs; 2 minutes and more where PyGObject is not in pip's cache.
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
CLONE=$WORK/edge_app

in_clone() { make --no-print-directory -C "$CLONE" "$@"; }
report() { (cd "$CLONE" && .venv/bin/python tests/deploy/demo_report.py report.json --as-table); }

check 'a clone' git clone --quiet "$HERE" "$CLONE"
check 'make setup' in_clone setup PYTHON=python3.6
check 'make setup again finds nothing to do' is "$(in_clone setup PYTHON=python3.6)" ''
check 'make demo' in_clone demo PYTHON=python3.6 ARGS='--duration 10 --json report.json --snapshot mosaic.png'
check 'every camera was seen, every frame is accounted for, the versions are those of the table' report
cat "$WORK/check.log"
echo "$PASSED checks passed"
