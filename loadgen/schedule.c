/*
 * schedule.c - constant and Poisson timetables; the contract is in schedule.h.
 */
#include "schedule.h"

#include <math.h>

#include "clock.h"

/* xorshift64*: small, fast and good enough to draw waiting times. */
static double uniform(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return ((double)((x * UINT64_C(2685821657736338717)) >> 11) + 0.5) / 9007199254740992.0;
}

static void place(struct schedule *s)
{
	if (s->limit != 0 && s->index >= s->limit) {
		s->next_ns = NEVER;
	} else if (s->poisson) {
		s->drawn_ns -= log(uniform(&s->random)) * (double)NS_PER_SECOND / s->rate_rps *
			       (double)s->stride;
		s->next_ns = s->start_ns + (uint64_t)s->drawn_ns;
	} else {
		/* From the index, not from the last entry: rounding errors do not add up. A long
		 * double's 64 bits hold a nanosecond over centuries. */
		s->next_ns = s->start_ns +
			     (uint64_t)((long double)s->index * NS_PER_SECOND / s->rate_rps);
	}
}

void schedule_begin(struct schedule *s, uint64_t start_ns, double rate_rps, unsigned worker,
		    unsigned workers, uint64_t limit, bool poisson, uint64_t seed)
{
	*s = (struct schedule){.start_ns = start_ns,
			       .index = worker,
			       .stride = workers,
			       .limit = limit,
			       .rate_rps = rate_rps,
			       .poisson = poisson};
	/* Never 0, where xorshift stays for ever; and neighbouring seeds must not look alike. */
	s->random = (seed + worker + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
	for (int i = 0; i < 8; i++)
		uniform(&s->random);
	place(s);
}

void schedule_advance(struct schedule *s)
{
	s->index += s->stride;
	place(s);
}
