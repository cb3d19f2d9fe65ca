#!/bin/sh
# compile_module.sh IMAGE COMMAND...: runs nvcc, and keeps what ptxas says of each function's
# registers, memory and spills in IMAGE.resources.
image=$1
shift
if ! "$@" -Xptxas -v >"$image.resources" 2>&1; then
  grep -v '^ptxas info' "$image.resources" >&2
  exit 1
fi
grep -i -B 1 -A 2 'warning' "$image.resources" >&2
exit 0
