#!/usr/bin/env bash
# Runs cases of com.microsoft's operators, and of forms of older opsets, against ONNX Runtime:
# run_runtime_cases.sh ERGO onnx|ergo|reference [PYTHON]
set -euo pipefail
ergo=$1 way=$2 python=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
if [[ -z $python ]] || ! "$python" -c 'import onnxruntime' 2>/dev/null; then
  echo "skipped: there is no build/venv with onnxruntime (tools/make-test-venv makes it)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind in contrib version; do
  PYTHONDONTWRITEBYTECODE=1 "$python" "$here/make_${kind}_cases.py" "$work/cases/$kind"
done

case $way in
  onnx) options=() ;;
  ergo) options=(--ergo) ;;
  reference) options=(--reference --no-optimize) ;;
esac
"$ergo" conformance "$work/cases" "${options[@]}"
