/*
 * histogram.c - reading, merging and subtracting log-linear histograms; the contract is in
 * histogram.h.
 */
#include "histogram.h"

#include <math.h>

uint64_t histogram_bucket_width(size_t bucket)
{
	size_t group = bucket / HISTOGRAM_PER_OCTAVE;

	return group <= 1 ? 1 : UINT64_C(1) << (group - 1);
}

uint64_t histogram_bucket_low(size_t bucket)
{
	size_t group = bucket / HISTOGRAM_PER_OCTAVE;

	if (group <= 1)
		return bucket;
	return (uint64_t)(bucket % HISTOGRAM_PER_OCTAVE + HISTOGRAM_PER_OCTAVE) << (group - 1);
}

static double middle(size_t bucket)
{
	return (double)histogram_bucket_low(bucket) +
	       (double)(histogram_bucket_width(bucket) - 1) / 2;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	if (from->count == 0)
		return;
	if (into->count == 0 || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	into->count += from->count;
	into->sum_ns += from->sum_ns;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

void histogram_subtract(struct histogram *out, const struct histogram *later,
			const struct histogram *earlier)
{
	*out = (struct histogram){.sum_ns = later->sum_ns - earlier->sum_ns};
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = later->counts[i] - earlier->counts[i];

		if (n == 0)
			continue;
		if (out->count == 0)
			out->min_ns = histogram_bucket_low(i);
		out->max_ns = histogram_bucket_low(i) + histogram_bucket_width(i) - 1;
		out->counts[i] = n;
		/* Not later->count - earlier->count: the copies may have been taken while a
		 * worker was recording, and quantiles need the sum of what is here. */
		out->count += n;
	}
	if (out->max_ns > later->max_ns)
		out->max_ns = later->max_ns;
}

uint64_t histogram_quantile(const struct histogram *h, double fraction)
{
	if (h->count == 0)
		return 0;
	/* 0.99 * 100 is 99.00000000000001 in binary: without the nudge that asks for the 100th. */
	double wanted = ceil(fraction * (double)h->count - 1e-6);
	uint64_t rank = wanted < 1 ? 1 : (uint64_t)wanted, seen = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->counts[i];
		if (seen < rank)
			continue;
		uint64_t value = histogram_bucket_low(i) + (histogram_bucket_width(i) - 1) / 2;

		if (value > h->max_ns || i == HISTOGRAM_BUCKETS - 1)
			return h->max_ns;
		return value < h->min_ns ? h->min_ns : value;
	}
	return h->max_ns;
}

uint64_t histogram_rank(const struct histogram *h, uint64_t value_ns)
{
	uint64_t seen = 0;

	for (size_t i = 0; i <= histogram_bucket(value_ns); i++)
		seen += h->counts[i];
	return seen;
}

double histogram_mean(const struct histogram *h)
{
	return h->count == 0 ? 0 : (double)h->sum_ns / (double)h->count;
}

double histogram_stddev(const struct histogram *h)
{
	double mean = histogram_mean(h), squares = 0;

	if (h->count == 0)
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		double off = middle(i) - mean;

		if (h->counts[i] != 0)
			squares += off * off * (double)h->counts[i];
	}
	return sqrt(squares / (double)h->count);
}

double histogram_bucket_sum(const struct histogram *h)
{
	double sum = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->counts[i] != 0)
			sum += middle(i) * (double)h->counts[i];
	return sum;
}
