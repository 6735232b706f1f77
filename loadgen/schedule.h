/*
 * schedule.h - the open loop's timetable: when each request is meant to be sent.
 *
 * Called by a worker of an open-loop run (-R). There is one timetable for the whole run, not one a
 * connection: request k of a constant rate R is meant for start + k/R, whoever sends it.
 * Of several workers, worker i owns the entries i, i + workers, i + 2 * workers, ... With
 * Poisson arrivals each worker draws its own stream at R/workers; such streams added together
 * are again one Poisson stream at R, so the server sees the same thing.
 *
 * Why a timetable at all: in a closed loop a client that waits for a slow answer does not ask
 * again, so the stall it should have measured a hundred times is measured once ("coordinated
 * omission"). People who visit a web site do not wait for each other; a timetable does not either.
 *
 * What always holds: times never decrease, each entry is handed out once, and a late entry keeps
 * its intended time. Pure arithmetic: no clock is read here.
 */
#ifndef LOADGEN_SCHEDULE_H
#define LOADGEN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	uint64_t start_ns,
		next_ns; /* of CLOCK_MONOTONIC; next_ns is NEVER when all were handed out */
	uint64_t index, stride; /* of the entry at next_ns in the whole timetable */
	uint64_t limit; /* entries of the whole timetable; 0: no limit */
	double rate_rps; /* of the whole timetable */
	double drawn_ns; /* Poisson: next_ns - start_ns, with its fraction */
	uint64_t random;
	bool poisson;
};

/* Prepares worker `worker` of `workers`. rate_rps > 0; limit 0 means no limit; the same seed gives
 * the same Poisson times again. */
void schedule_begin(struct schedule *s, uint64_t start_ns, double rate_rps, unsigned worker,
		    unsigned workers, uint64_t limit, bool poisson, uint64_t seed);

/* The entry at s->next_ns was taken: moves on to the next one. */
void schedule_advance(struct schedule *s);

#endif
