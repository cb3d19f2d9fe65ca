#!/usr/bin/env bash
# Exports all models and prints what Ergo makes of them. Takes the options of export_models.py:
#
#   tests/exports/run_all.sh --only 'resnet*' --only bert
#
# The first time it makes build/exports-venv with PyTorch, which takes gigabytes. What lies in
# build/exports is not exported again.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=build/exports-venv
ergo=${ERGO_BINARY:-build/release/ergo}
[[ -x $ergo ]] || { echo "there is no $ergo: build it, or set ERGO_BINARY" >&2; exit 2; }

requirements=tests/exports/requirements.txt
if ! cmp -s "$requirements" "$venv/made-from"; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --retries 5 -r "$requirements"
  cp "$requirements" "$venv/made-from"
fi
exported=0
"$venv/bin/python" tests/exports/export_models.py --keep --out build/exports "$@" || exported=1
"$venv/bin/python" tests/exports/check_models.py build/exports --ergo "$ergo" && exit $exported
