/*
 * live.h - what happens while it happens: a line a second, and the run cut into intervals.
 *
 * Called by control.c. It costs the workers nothing: once a second the parent copies their
 * histograms out of the shared mapping and takes the difference to the last copy. A worker may be
 * recording at that moment; its counters only ever grow and a word is read whole, so at worst a
 * request is counted in the next second.
 */
#ifndef LOADGEN_LIVE_H
#define LOADGEN_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outcome.h"

struct live {
	const struct run *run;
	struct histogram *last; /* as of last_ns */
	struct interval *intervals;
	size_t count, capacity;
	uint64_t begin_ns, last_ns;
	uint64_t progress_ns; /* when something had last been answered */
	uint64_t last_answered, last_errors;
	bool show;
};

/* The window began. Without memory there are no intervals, and nothing else is missing. */
void live_begin(struct live *l, const struct run *run, uint64_t begin_ns, bool show);
/* When live_tick is due next. */
uint64_t live_next(const struct live *l);
/* Closes the present interval at `now`, and shows it. */
void live_tick(struct live *l, uint64_t now);
/* Closes the last interval at the window's end. The intervals remain and are the caller's. */
void live_end(struct live *l, uint64_t end_ns);

#endif
