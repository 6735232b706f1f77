/*
 * timers.h - a binary heap of deadlines, for the models that wait for everyone at once.
 *
 * One timer a connection, embedded in the caller's struct. Moving a deadline LATER costs
 * nothing: the timer keeps its place and is put right when it comes to the top. That is the
 * common case (a busy connection's idle deadline moves with each request), so a server under load
 * hardly ever touches the heap.
 */
#ifndef SIX_TIMERS_H
#define SIX_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
	uint64_t at; /* the deadline; NEVER: none */
	uint32_t place; /* in the heap, counted from 1; 0: not in it */
};

struct timers {
	struct timer_slot *slots;
	uint32_t count, capacity;
};

/* Sets or moves a deadline. A timer must be zeroed before its first use. Returns 0, or -1 when
 * there is no memory (the timer is then not set). */
int timers_set(struct timers *all, struct timer *t, uint64_t at);

/* Takes the timer out, if it is in. */
void timers_cancel(struct timers *all, struct timer *t);

/* A time at or before the earliest deadline; NEVER when there is none. */
uint64_t timers_next(const struct timers *all);

/* Takes out and returns a timer whose deadline is at or before `now`; NULL: none. */
struct timer *timers_due(struct timers *all, uint64_t now);

void timers_free(struct timers *all);

#endif
