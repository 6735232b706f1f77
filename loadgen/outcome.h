/*
 * outcome.h - all that is known after a run, and what follows from it.
 *
 * control.c fills it in, report.c and verdict.c read it. Plain numbers; the two derived ones that
 * need explaining are functions here.
 */
#ifndef LOADGEN_OUTCOME_H
#define LOADGEN_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "procfs.h"
#include "run.h"
#include "target.h"

/* One piece of the window, about a second. */
struct interval {
	double from_s, to_s;
	uint64_t answered, errors;
	uint64_t p50_ns, p99_ns, max_ns; /* of what was recorded in it */
};

struct outcome {
	struct result sum; /* of all workers */
	const struct options *options;
	const struct target *target;
	unsigned workers;
	double duration_s; /* of the window */
	double busiest_share; /* of the window in which the busiest worker ran or waited for a core
			       */
	double busiest_cpu_share; /* in which it ran */
	uint64_t unbalanced; /* workers whose own counts do not add up */
	bool interrupted; /* by a signal */
	bool gave_up; /* -n: nothing was answered any more */
	bool measured; /* the window did begin */
	bool has_server; /* the five below hold */
	struct proc_sample before, begin, end; /* before: no connection was open yet */
	struct proc_switches switches;
	unsigned server_capacity;
	struct interval *intervals; /* owned */
	size_t interval_count;
};

/* Adds the workers' results up and computes the derived figures. */
void outcome_merge(struct outcome *out, const struct run *run);
void outcome_free(struct outcome *out);

/* Little's law, L / (X * W); window.c says how both sides are measured. 0: nothing was in flight.
 */
double outcome_little(const struct outcome *out);

/* The mean number of requests in flight. */
double outcome_in_flight(const struct outcome *out);

/* The server's CPU time within the window, ns, and as a share of one core. */
uint64_t outcome_server_cpu_ns(const struct outcome *out);
double outcome_server_share(const struct outcome *out);

/* Jain's fairness index of the requests per connection: 1 is all alike, 1/n is one takes all. */
double outcome_fairness(const struct outcome *out);

uint64_t outcome_errors(const struct outcome *out);

#endif
