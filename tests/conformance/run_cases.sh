#!/usr/bin/env bash
# Runs all cases: run_cases.sh ERGO onnx|ergo|reference CACHE [PYTHON]
#
# The cases are those of ../shared/conformance, or, where that is not there, what the onnx package
# of PYTHON makes, which is kept in the folder CACHE.
set -euo pipefail
ergo=$1 way=$2 cache=$3 python=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
archive=$here/../../../shared/conformance/onnx-node-visible.tar.xz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# known_failures_package.txt is of cases that the archive lacks.
cat "$here"/known_failures*.txt >"$work/known_failures.txt"
if [[ -f $archive ]]; then
  cases=$work/cases
  mkdir "$cases"
  tar xJf "$archive" -C "$cases"
elif [[ -n $python ]]; then
  mkdir -p "$cache"
  made_by=$("$python" -c 'import onnx; print(onnx.__version__)'; sha256sum "$here/make_cases.py")
  cases=$cache/$(sha256sum <<<"$made_by" | cut -c 1-16)
  exec 9>"$cache/lock"
  flock 9
  if [[ ! -d $cases ]]; then
    "$python" "$here/make_cases.py" "$work/made"
    mv "$work/made" "$cases"
  fi
  exec 9>&-
else
  echo "skipped: there is no $archive, and no build/venv (tools/make-test-venv makes it)"
  exit 77
fi

case $way in
  onnx) options=() ;;
  ergo) options=(--ergo) ;;
  reference) options=(--reference --no-optimize) ;;
esac
"$ergo" conformance "$cases" --known-failures "$work/known_failures.txt" "${options[@]}"
