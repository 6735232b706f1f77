#!/usr/bin/env bash
# run_all.sh - runs the experiments and draws their charts and the report: ./run_all.sh --help
#
# Only finds Python; all else is in experiments/run.py. Works from any directory.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
	echo "run_all.sh: needs python3, version 3.9 or later: run \`make deps\`" >&2
	exit 1
fi
exec python3 -B "$here/experiments/run.py" "$@"
