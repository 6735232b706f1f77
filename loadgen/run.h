/*
 * run.h - what the controlling process and its workers share, and what a worker hands back.
 *
 * The workers are processes, not threads (control.c forks them): the descriptor limit holds for
 * a process, so several of them go beyond it; nothing is shared by accident; and none waits for
 * another's lock. They meet in this one anonymous mapping. A worker writes its own struct
 * result and nobody else's; the parent reads it. The few words both sides change are atomic.
 *
 * All times are nanoseconds of CLOCK_MONOTONIC, which is one clock for all processes of a machine.
 */
#ifndef LOADGEN_RUN_H
#define LOADGEN_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/*
 * connect   the connection could not be made
 * timeout   no complete answer within --timeout
 * reset     the connection ended (RST or EOF) before the answer was complete
 * status    a complete answer with another status than the expected one
 * protocol  no HTTP, wrong framing, or bytes after the answer
 */
enum error_kind {
	ERROR_CONNECT,
	ERROR_TIMEOUT,
	ERROR_RESET,
	ERROR_STATUS,
	ERROR_PROTOCOL,
	ERROR_KINDS
};

enum { MAX_STATUS = 600, MAX_WORKERS = 64 };

/*
 * A request's life: begun (just before its first byte is sent; with --close just before
 * the connect), then exactly one of answered (the whole expected response was read), failed,
 * or unanswered when the run was over.
 */
struct result {
	/* Of the measured window. */
	struct histogram latency; /* of the requests that were begun in it: window.c */
	struct histogram intended; /* the same from the intended time, and those never sent */
	struct histogram lag; /* what the generator itself added; see worker.c */
	uint64_t answered, failed, begun;
	uint64_t errors[ERROR_KINDS];
	uint64_t statuses[MAX_STATUS]; /* of answers with another status than the expected one */
	uint64_t bytes_received;
	uint64_t in_flight_at_end, unsent_at_end;
	uint64_t unanswered; /* of those in flight at the end, after some more waiting */
	double busy_ns; /* the number in flight, integrated over the window: window.c */
	double edge_ns; /* what of other lives lies in the window, less what of these does not */
	double failed_ns; /* lives, in the window, of failed requests that are not in `latency` */
	uint64_t window_ns; /* how long the window was for this worker */
	uint64_t cpu_ns; /* of this worker within it */
	uint64_t waited_ns; /* for a core, while it had something to do */

	/* Of the whole run. */
	uint64_t early_errors[ERROR_KINDS]; /* before the window */
	uint64_t all_begun, all_answered, all_failed;
	uint64_t connects, closed_by_server;

	/* As the window ended. */
	uint64_t open, never_answered, idle_open, idle_answered;
	uint64_t least_answered, most_answered; /* of one connection, within the window */
	double answered_squared; /* the sum of squares, for the fairness index */

	_Atomic uint64_t ready_open; /* connections open when it reported ready */
};

struct run {
	_Atomic uint64_t start_ns; /* 0: not yet; then requests may begin */
	_Atomic uint64_t begin_ns, end_ns; /* the measured window; end NEVER: until -n is reached */
	_Atomic uint32_t ready, done; /* workers that have opened everything; that have ended */
	_Atomic bool stop; /* end the window now */
	_Atomic int64_t tickets; /* -n, closed loop: requests that may still begin */
	_Atomic uint64_t answered, failed; /* -n: of all workers */
	int wake_fd; /* eventfd: workers -> parent, "look at ready and done" */
	int go_fd; /* eventfd: parent -> workers, "look at start and stop" */
	int release_fd; /* eventfd: parent -> workers, "/proc was read, you may close" */
	unsigned workers;
	struct result results[];
};

#endif
