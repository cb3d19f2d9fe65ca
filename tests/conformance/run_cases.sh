#!/usr/bin/env bash
# Unpacks the cases and runs them all: run_cases.sh ERGO onnx|ergo|reference
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archive=$here/../../../shared/conformance/onnx-node-visible.tar.xz
if [[ ! -f $archive ]]; then
  echo "skipped: there is no $archive"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar xJf "$archive" -C "$work"
case $2 in
  onnx) options=() ;;
  ergo) options=(--ergo) ;;
  reference) options=(--reference --no-optimize) ;;
esac
"$1" conformance "$work" --known-failures "$here/known_failures.txt" "${options[@]}"
