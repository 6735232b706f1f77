/*
 * test_histogram.c - the histogram against the samples themselves, sorted.
 *
 * A sorted array is the definition of a quantile; the histogram has to agree with it to within
 * 1/256 on every distribution, and exactly on count, sum, smallest and largest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "histogram.h"

enum { SAMPLES = 100000 };

static uint64_t random_state = 88172645463325252u;

static uint64_t draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static double fraction(void)
{
	return ((double)(draw() >> 11) + 0.5) / 9007199254740992.0;
}

/* Distributions as latencies have them, and as they hopefully do not. */
static uint64_t constant(void)
{
	return 10000000;
}

static uint64_t small(void)
{
	return draw() % 700;
}

static uint64_t even(void)
{
	return draw() % 3000000;
}

static uint64_t exponential(void)
{
	return (uint64_t)(-log(fraction()) * 250000.0);
}

static uint64_t pareto(void)
{
	return (uint64_t)(20000.0 / pow(fraction(), 1.0));
}

static uint64_t lognormal(void)
{
	double normal = sqrt(-2 * log(fraction())) * cos(6.283185307179586 * fraction());

	return (uint64_t)exp(13 + 1.5 * normal);
}

static uint64_t two_modes(void)
{
	return draw() % 50 == 0 ? 1400000000 + draw() % 1000000 : 80000 + draw() % 20000;
}

static uint64_t every_size(void)
{
	return draw() >> (22 + draw() % 42); /* 0 ns to 73 minutes, all octaves alike */
}

static const struct {
	const char *name;
	uint64_t (*draw)(void);
} DISTRIBUTIONS[] = {{"constant", constant},   {"small", small},
		     {"even", even},	       {"exponential", exponential},
		     {"pareto", pareto},       {"lognormal", lognormal},
		     {"two modes", two_modes}, {"every size", every_size}};

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* |got - want| <= want / 256: the promise. */
static void assert_close(const char *what, double at, uint64_t got, uint64_t want)
{
	uint64_t off = got > want ? got - want : want - got;

	if (off * 256 > want)
		fail_msg("%s at %.5f: %llu, sorted samples say %llu", what, at,
			 (unsigned long long)got, (unsigned long long)want);
}

static void check_against_sorted(const char *name, const struct histogram *h, uint64_t *samples,
				 size_t n)
{
	static const double AT[] = {0,	 0.001, 0.01, 0.1,   0.25,   0.5,     0.75,
				    0.9, 0.95,	0.99, 0.999, 0.9999, 0.99999, 1};
	uint64_t sum = 0;

	qsort(samples, n, sizeof(*samples), ascending);
	for (size_t i = 0; i < n; i++)
		sum += samples[i];
	assert_int_equal(h->count, n);
	assert_int_equal(h->sum_ns, sum);
	assert_int_equal(h->min_ns, samples[0]);
	assert_int_equal(h->max_ns, samples[n - 1]);
	for (size_t i = 0; i < sizeof(AT) / sizeof(*AT); i++) {
		/* The nearest-rank definition: the ceil(p * n)-th smallest. */
		size_t rank = (size_t)ceil(AT[i] * (double)n - 1e-6);

		assert_close(name, AT[i], histogram_quantile(h, AT[i]),
			     samples[rank == 0 ? 0 : rank - 1]);
	}
}

static void agrees_with_sorted_samples(void **state)
{
	uint64_t *samples = malloc(SAMPLES * sizeof(*samples));
	struct histogram *h = malloc(sizeof(*h));

	(void)state;
	assert_non_null(samples);
	assert_non_null(h);
	for (size_t d = 0; d < sizeof(DISTRIBUTIONS) / sizeof(*DISTRIBUTIONS); d++) {
		memset(h, 0, sizeof(*h));
		for (size_t i = 0; i < SAMPLES; i++) {
			samples[i] = DISTRIBUTIONS[d].draw();
			histogram_record(h, samples[i]);
		}
		check_against_sorted(DISTRIBUTIONS[d].name, h, samples, SAMPLES);
	}
	free(samples);
	free(h);
}

static void agrees_on_few_samples(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));
	uint64_t samples[130];

	(void)state;
	assert_non_null(h);
	for (size_t n = 1; n <= 130; n++) {
		memset(h, 0, sizeof(*h));
		for (size_t i = 0; i < n; i++) {
			samples[i] = every_size();
			histogram_record(h, samples[i]);
		}
		check_against_sorted("few", h, samples, n);
	}
	free(h);
}

/* Mean, deviation and the sum from the buckets against direct arithmetic. */
static void moments_are_right(void **state)
{
	struct histogram *h = malloc(sizeof(*h));
	double *samples = malloc(SAMPLES * sizeof(*samples));

	(void)state;
	assert_non_null(h);
	assert_non_null(samples);
	for (size_t d = 0; d < sizeof(DISTRIBUTIONS) / sizeof(*DISTRIBUTIONS); d++) {
		double sum = 0, squares = 0;

		memset(h, 0, sizeof(*h));
		for (size_t i = 0; i < SAMPLES; i++) {
			uint64_t value = DISTRIBUTIONS[d].draw();

			samples[i] = (double)value;
			sum += samples[i];
			histogram_record(h, value);
		}
		double mean = sum / SAMPLES;

		for (size_t i = 0; i < SAMPLES; i++)
			squares += (samples[i] - mean) * (samples[i] - mean);
		assert_true(fabs(histogram_mean(h) - mean) <= mean * 1e-9);
		assert_true(fabs(histogram_bucket_sum(h) - sum) <= sum / 512);
		assert_true(fabs(histogram_stddev(h) - sqrt(squares / SAMPLES)) <=
			    mean / 200 + sqrt(squares / SAMPLES) / 200);
	}
	free(h);
	free(samples);
}

/* Every bucket: it starts where the last one ended, and both its ends belong to it. */
static void buckets_tile_the_axis(void **state)
{
	uint64_t next = 0;

	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t low = histogram_bucket_low(i), width = histogram_bucket_width(i);

		assert_int_equal(low, next);
		assert_int_equal(histogram_bucket(low), i);
		assert_int_equal(histogram_bucket(low + width - 1), i);
		assert_true(width == 1 || width * 256 <= low);
		next = low + width;
	}
	assert_int_equal(next, HISTOGRAM_LIMIT + 1);
	assert_true(HISTOGRAM_LIMIT > UINT64_C(3600) * 1000000000); /* an hour */
}

static void too_large_still_counts(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));
	uint64_t day = UINT64_C(86400) * 1000000000;

	(void)state;
	assert_non_null(h);
	histogram_record(h, 1000);
	histogram_record(h, day);
	assert_int_equal(h->count, 2);
	assert_int_equal(h->max_ns, day);
	assert_int_equal(h->sum_ns, day + 1000);
	assert_int_equal(histogram_quantile(h, 1), day);
	free(h);
}

static void empty_is_zero(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	assert_int_equal(histogram_quantile(h, 0.99), 0);
	assert_true(histogram_mean(h) == 0 && histogram_stddev(h) == 0);
	free(h);
}

/* Recording in several histograms and merging is recording in one; taking a copy away again gives
 * what was recorded since. */
static void merge_and_subtract(void **state)
{
	struct histogram *h = calloc(4, sizeof(*h));
	struct histogram *whole = &h[0], *merged = &h[1], *part = &h[2], *rest = &h[3];

	(void)state;
	assert_non_null(h);
	for (int worker = 0; worker < 5; worker++) {
		memset(part, 0, sizeof(*part));
		for (int i = 0; i < worker * 1000; i++) { /* one of them is empty */
			uint64_t value = pareto();

			histogram_record(part, value);
			histogram_record(whole, value);
		}
		histogram_merge(merged, part);
	}
	assert_memory_equal(whole, merged, sizeof(*whole));
	histogram_subtract(rest, merged, part); /* all but the last worker's */
	assert_int_equal(rest->count, 6000);
	assert_int_equal(rest->sum_ns, whole->sum_ns - part->sum_ns);
	histogram_merge(rest, part);
	assert_memory_equal(rest->counts, whole->counts, sizeof(whole->counts));
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_sorted_samples),
					   cmocka_unit_test(agrees_on_few_samples),
					   cmocka_unit_test(moments_are_right),
					   cmocka_unit_test(buckets_tile_the_axis),
					   cmocka_unit_test(too_large_still_counts),
					   cmocka_unit_test(empty_is_zero),
					   cmocka_unit_test(merge_and_subtract)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
