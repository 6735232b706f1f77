/*
 * live.c - intervals and the live line; the contract is in live.h.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

enum { MOST_INTERVALS = 3600 };

void live_begin(struct live *l, const struct run *run, uint64_t begin_ns, bool show)
{
	*l = (struct live){.run = run,
			   .begin_ns = begin_ns,
			   .last_ns = begin_ns,
			   .progress_ns = begin_ns,
			   .show = show};
	l->last = calloc(1, sizeof(*l->last));
}

uint64_t live_next(const struct live *l)
{
	return l->last_ns + NS_PER_SECOND;
}

static struct interval *next_interval(struct live *l)
{
	if (l->count == l->capacity) {
		size_t capacity = l->capacity == 0 ? 64 : 2 * l->capacity;
		struct interval *grown = NULL;

		if (l->count < MOST_INTERVALS)
			grown = realloc(l->intervals, capacity * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		l->intervals = grown;
		l->capacity = capacity;
	}
	return &l->intervals[l->count++];
}

static uint64_t read_word(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Adds a histogram that may be in use. */
static void add_moving(struct histogram *into, const struct histogram *from)
{
	uint64_t max_ns = read_word(&from->max_ns);

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += read_word(&from->counts[i]);
	if (max_ns > into->max_ns)
		into->max_ns = max_ns;
}

void live_tick(struct live *l, uint64_t now)
{
	struct histogram *all = calloc(1, sizeof(*all)), *between = malloc(sizeof(*between));
	struct interval *i = l->last == NULL ? NULL : next_interval(l);
	uint64_t answered = 0, errors = 0, from_ns = l->last_ns;

	l->last_ns = now;
	if (all == NULL || between == NULL || i == NULL) {
		free(all);
		free(between);
		return;
	}
	for (unsigned k = 0; k < l->run->workers; k++) {
		const struct result *r = &l->run->results[k];

		add_moving(all, &r->latency);
		answered += read_word(&r->answered);
		for (int kind = 0; kind < ERROR_KINDS; kind++)
			errors += read_word(&r->errors[kind]);
	}
	histogram_subtract(between, all, l->last);
	*i = (struct interval){.from_s = (double)(from_ns - l->begin_ns) / 1e9,
			       .to_s = (double)(now - l->begin_ns) / 1e9,
			       .answered = answered - l->last_answered,
			       .errors = errors - l->last_errors,
			       .p50_ns = histogram_quantile(between, 0.5),
			       .p99_ns = histogram_quantile(between, 0.99),
			       .max_ns = between->max_ns};
	if (l->show)
		fprintf(stderr,
			"%6.1f s  %9.0f requests/s  p50 %.3f ms  p99 %.3f ms  errors %llu\n",
			i->to_s, (double)i->answered / (i->to_s - i->from_s),
			(double)i->p50_ns / 1e6, (double)i->p99_ns / 1e6,
			(unsigned long long)i->errors);
	if (answered != l->last_answered)
		l->progress_ns = now;
	l->last_answered = answered;
	l->last_errors = errors;
	free(l->last);
	l->last = all;
	free(between);
}

void live_end(struct live *l, uint64_t end_ns)
{
	l->show = false;
	if (end_ns > l->last_ns)
		live_tick(l, end_ns);
	free(l->last);
	l->last = NULL;
}
