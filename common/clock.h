/*
 * clock.h - the one clock of the lab: nanoseconds of CLOCK_MONOTONIC.
 *
 * A uint64_t holds 584 years of them. Deadlines are points on this clock, never durations,
 * so a wait that is interrupted can simply be taken up again.
 */
#ifndef SIX_CLOCK_H
#define SIX_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND	   UINT64_C(1000000000)
#define NS_PER_MILLISECOND UINT64_C(1000000)
#define NEVER		   UINT64_MAX

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock and a valid pointer */
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

static inline struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND),
				 .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

/* How long until `deadline`; 0 when it has passed. */
static inline uint64_t ns_until(uint64_t deadline)
{
	uint64_t now = deadline == NEVER ? 0 : clock_ns();

	return deadline > now ? deadline - now : 0;
}

#endif
