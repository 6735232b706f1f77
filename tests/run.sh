#!/usr/bin/env bash
# run.sh - runs the test suites and adds them up: `make test`, or `tests/run.sh [SUITE ...]` for some of them.
#
# A suite is a function here named suite_NAME that prints TAP ("ok 1 - ...", "not ok 2 - ...") and may print
# anything else; its whole output is kept in build/test-logs/NAME.log. One that fails without saying which case (a crash, a build
# that breaks) counts as one failure. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
JOBS=$(nproc)
LOGS=$BUILD/test-logs
FUZZ_SECONDS=${FUZZ_SECONDS:-15}
mkdir -p "$LOGS"

quiet_make() { make --no-print-directory -j"$JOBS" "$@" >&2; }

# Runs a command and turns its exit status into one TAP line.
check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then echo "ok - $name"; else echo "not ok - $name"; fi
}

suite_lint() {
	check "clang-format, shellcheck, python syntax" make --no-print-directory lint
	check "clang builds everything without a warning" quiet_make BUILD="$BUILD/clang" CC=clang all unit
}

suite_unit() {
	quiet_make unit || return 1
	local t status=0
	for t in "$BUILD"/tests/test_*; do
		case $t in *.d) continue ;; esac
		"$t" 2>&1 || status=1
	done
	return $status
}

suite_unit_asan() {
	quiet_make BUILD="$BUILD/asan" SANITIZE=address,undefined unit || return 1
	local t status=0
	for t in "$BUILD"/asan/tests/test_*; do
		case $t in *.d) continue ;; esac
		"$t" 2>&1 || status=1
	done
	return $status
}

suite_structure() { python3 tests/structure/run.py && python3 tests/structure/run.py --self-test; }

suite_fuzz() {
	quiet_make fuzz || return 1
	local f
	for f in "$BUILD"/fuzz/fuzz_*; do
		local dictionary=()
		[ -f "tests/fuzz/$(basename "${f#*_}").dict" ] && dictionary=(-dict="tests/fuzz/$(basename "${f#*_}").dict")
		check "$(basename "$f"), $FUZZ_SECONDS s" "$f" -max_total_time="$FUZZ_SECONDS" -max_len=20000 \
			-verbosity=0 -artifact_prefix="$LOGS/" "${dictionary[@]}"
	done
}

suite_blackbox() { python3 tests/blackbox/run.py --build "$BUILD"; }

# The six, their variants, and two switches that change how a server waits.
suite_switches() { python3 tests/blackbox/run.py --build "$BUILD" --models "epoll --edge,io_uring --single-recv"; }

suite_slots() { python3 tests/slots/run.py --build "$BUILD"; }

suite_blackbox_asan() {
	quiet_make BUILD="$BUILD/asan" SANITIZE=address,undefined servers || return 1
	SIX_SLOW=1 python3 tests/blackbox/run.py --build "$BUILD/asan"
}

suite_blackbox_tsan() {
	quiet_make BUILD="$BUILD/tsan" SANITIZE=thread servers || return 1
	local threaded=thread
	[ -x "$BUILD/thread_pool" ] && threaded+=,thread_pool
	[ -x "$BUILD/epoll_offload" ] && threaded+=,epoll_offload
	SIX_SLOW=1 python3 tests/blackbox/run.py --build "$BUILD/tsan" --models "$threaded"
}

suite_loadgen() { python3 tests/loadgen/run.py --bin "$BUILD/loadgen" --server "$BUILD/epoll"; }

suite_experiments() { python3 tests/experiments/run.py; }

suite_bench() { python3 tests/bench/run.py; }

suite_forbidden() { python3 tests/forbidden/run.py --build "$BUILD"; }

suite_report() { python3 tests/report/run.py; }

suite_demo() { python3 tests/demo/run.py --build "$BUILD"; }

suite_docs() { python3 tests/docs/run.py && python3 tests/docs/run.py --self-test; }

suite_slides() { python3 tests/slides/run.py; }

ALL=(lint unit unit_asan structure fuzz blackbox switches slots blackbox_asan blackbox_tsan loadgen experiments
	bench forbidden report demo docs slides)

run_suite() {
	local name=$1 log=$LOGS/$1.log started=$SECONDS status good bad
	printf '%-15s ' "$name"
	(set -o pipefail; "suite_$name") >"$log" 2>&1
	status=$?
	good=$(grep -cE '^ok\b' "$log")
	bad=$(grep -cE '^not ok\b' "$log")
	[ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
	[ "$status" -eq 0 ] && [ "$good" -eq 0 ] && bad=1 # a suite that tests nothing has not passed
	printf '%5d passed %3d failed %4d s\n' "$good" "$bad" $((SECONDS - started))
	if [ "$bad" -ne 0 ]; then
		grep -E -A6 '^not ok\b' "$log" | head -n 60 | sed 's/^/    /'
		[ "$status" -ne 0 ] && tail -n 15 "$log" | sed 's/^/    | /'
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
}

passed=0
failed=0
[ $# -eq 0 ] && set -- "${ALL[@]}"
for suite in "$@"; do
	if ! declare -F "suite_$suite" >/dev/null; then
		echo "run.sh: $suite is not a suite; there are: ${ALL[*]}" >&2
		exit 2
	fi
done
quiet_make all 2>&1 | grep -E 'error|warning|Error' >&2
[ "${PIPESTATUS[0]}" -eq 0 ] || exit 1
for suite in "$@"; do run_suite "$suite"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
