/*
 * histogram.h - latencies from 1 ns to over an hour in constant memory.
 *
 * Called by the workers once a request (recording) and by the reports (reading). A log-linear
 * histogram: each power of two is cut into 256 equal buckets, so a value is known to within
 * 1/256 of itself wherever it lies, and recording is a shift, an add and a store. This is
 * what makes a p99.9 of millions of requests affordable without keeping any of them.
 *
 * What always holds: count is the sum of counts[]; min, max and sum are exact; nothing is
 * ever dropped (a value above HISTOGRAM_LIMIT lands in the last bucket and still
 * counts with its true size in sum and max). No memory is allocated; a zeroed struct is an empty
 * histogram, so it can live in a shared mapping.
 */
#ifndef LOADGEN_HISTOGRAM_H
#define LOADGEN_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
	HISTOGRAM_BITS = 8, /* 2^8 buckets a power of two: an error of 1/256 */
	HISTOGRAM_PER_OCTAVE = 1 << HISTOGRAM_BITS,
	HISTOGRAM_TOP_BIT = 41, /* 2^42 ns are 73 minutes */
	HISTOGRAM_BUCKETS = (HISTOGRAM_TOP_BIT - HISTOGRAM_BITS + 2) * HISTOGRAM_PER_OCTAVE
};

/* The largest value that has a bucket of its own. */
#define HISTOGRAM_LIMIT ((UINT64_C(1) << (HISTOGRAM_TOP_BIT + 1)) - 1)

struct histogram {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t min_ns; /* meaningless while count is 0 */
	uint64_t counts[HISTOGRAM_BUCKETS];
};

/*
 * The bucket of a value. Below 512 ns every nanosecond has its own; above, the leading nine
 * bits select it (the first of them is always 1, so they are 256 choices) and the
 * position of the leading bit selects the group.
 */
static inline size_t histogram_bucket(uint64_t value_ns)
{
	if (value_ns > HISTOGRAM_LIMIT)
		value_ns = HISTOGRAM_LIMIT;
	unsigned shift =
		63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(value_ns | HISTOGRAM_PER_OCTAVE);
	return (size_t)shift * HISTOGRAM_PER_OCTAVE + (size_t)(value_ns >> shift);
}

/* Counts one value. Inline: this is on the path of every response. */
static inline void histogram_record(struct histogram *h, uint64_t value_ns)
{
	h->counts[histogram_bucket(value_ns)]++;
	h->sum_ns += value_ns;
	if (value_ns > h->max_ns)
		h->max_ns = value_ns;
	if (h->count++ == 0 || value_ns < h->min_ns)
		h->min_ns = value_ns;
}

/* The bounds of a bucket: values in [low, low + width). */
uint64_t histogram_bucket_low(size_t bucket);
uint64_t histogram_bucket_width(size_t bucket);

/* Adds all of `from` to `into`: the same as if each value had been recorded there. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * out = later - earlier, of two copies of one histogram: what was recorded in between. The
 * smallest and largest value of the difference are known to their bucket only.
 */
void histogram_subtract(struct histogram *out, const struct histogram *later,
			const struct histogram *earlier);

/*
 * The smallest recorded value that at least `fraction` (0 to 1) of all values do not exceed, as
 * the middle of its bucket (so within 1/512), never outside [min, max]. 0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *h, double fraction);

/* How many values lie in the bucket of value_ns or below it. */
uint64_t histogram_rank(const struct histogram *h, uint64_t value_ns);

/* Exact mean in ns; 0 when empty. */
double histogram_mean(const struct histogram *h);

/* Standard deviation in ns, from the buckets' middles; 0 when empty. */
double histogram_stddev(const struct histogram *h);

/* The sum of all values in ns, from the buckets alone: a check on sum_ns that shares nothing with
 * it but the recording. */
double histogram_bucket_sum(const struct histogram *h);

#endif
