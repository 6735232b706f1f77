/*
 * test_timers.c - the heap of deadlines (common/timers.c) against a naive model of it.
 *
 * The model is an array of deadlines that is searched from end to end. Whatever is done to both,
 * they must agree on who is due; time moves forward only, as it does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/clock.h"
#include "../../common/timers.h"

enum { MANY = 20000 };

/* A timer and what the model knows of it. */
struct entry {
	struct timer timer;
	uint64_t at; /* NEVER: not set */
};

static struct entry entries[MANY];
static struct timers all;
static uint64_t random_state;

/* xorshift64*: the same numbers every time. */
static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717) % n;
}

static int setup(void **state)
{
	(void)state;
	memset(entries, 0, sizeof entries);
	for (size_t i = 0; i < MANY; i++)
		entries[i].at = NEVER;
	all = (struct timers){0};
	random_state = 88172645463325252u;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	timers_free(&all);
	assert_int_equal(timers_next(&all), NEVER);
	return 0;
}

static void set(struct entry *e, uint64_t at)
{
	assert_int_equal(timers_set(&all, &e->timer, at), 0);
	e->at = at;
	assert_int_equal(e->timer.place != 0, at != NEVER);
}

static void cancel(struct entry *e)
{
	timers_cancel(&all, &e->timer);
	e->at = NEVER;
	assert_int_equal(e->timer.place, 0);
}

static uint64_t earliest(size_t count)
{
	uint64_t at = NEVER;

	for (size_t i = 0; i < count; i++)
		at = entries[i].at < at ? entries[i].at : at;
	return at;
}

/* Takes out all that is due. None may be early, and none may be left behind. */
static size_t fire(size_t count, uint64_t now)
{
	struct timer *t;
	size_t fired = 0;

	while ((t = timers_due(&all, now)) != NULL) {
		struct entry *e = (struct entry *)t; /* its first member */

		assert_true(e >= entries && e < entries + count);
		assert_true(e->at <= now);
		assert_int_equal(t->at, e->at);
		assert_int_equal(t->place, 0);
		e->at = NEVER;
		fired++;
	}
	assert_true(earliest(count) > now);
	/* The next wait ends neither late nor at once, which would be spinning. */
	assert_true(timers_next(&all) <= earliest(count));
	assert_true(timers_next(&all) > now);
	return fired;
}

static void test_none(void **state)
{
	(void)state;
	assert_int_equal(timers_next(&all), NEVER);
	assert_null(timers_due(&all, NEVER));
	cancel(&entries[0]);
	set(&entries[0], NEVER);
	assert_int_equal(timers_next(&all), NEVER);
}

static void test_one(void **state)
{
	(void)state;
	set(&entries[0], 10);
	assert_int_equal(timers_next(&all), 10);
	assert_int_equal(fire(1, 9), 0);
	assert_int_equal(fire(1, 10), 1);
	assert_int_equal(timers_next(&all), NEVER);
	set(&entries[0], 11); /* and it may be set again */
	assert_int_equal(fire(1, 12), 1);
}

/* In the order of their deadlines, whatever order they were set in. */
static void test_order(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		set(&entries[i], 1 + i * 7919 % 1000);
	for (size_t i = 0; i < 1000; i++) {
		struct timer *t = timers_due(&all, 5000);

		assert_non_null(t);
		assert_true(t->at > last);
		last = t->at;
	}
	assert_null(timers_due(&all, 5000));
}

static void test_ties(void **state)
{
	(void)state;
	for (size_t i = 0; i < 500; i++)
		set(&entries[i], i % 2 ? 100 : 200);
	assert_int_equal(fire(500, 99), 0);
	assert_int_equal(fire(500, 100), 250);
	assert_int_equal(fire(500, 199), 0);
	assert_int_equal(fire(500, 200), 250);
}

/* Moved later again and again: it costs nothing, and the last deadline is the one that counts. */
static void test_moved_later(void **state)
{
	(void)state;
	set(&entries[0], 1000);
	set(&entries[1], 1500);
	for (uint64_t at = 1001; at <= 3000; at++) {
		uint32_t place = entries[0].timer.place;

		set(&entries[0], at);
		assert_int_equal(entries[0].timer.place, place);
	}
	assert_int_equal(fire(2, 1499), 0);
	assert_int_equal(fire(2, 1500), 1);
	assert_int_equal(fire(2, 2999), 0);
	assert_int_equal(timers_next(&all), 3000);
	assert_int_equal(fire(2, 3000), 1);
}

static void test_moved_earlier(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++)
		set(&entries[i], 1000 + i);
	set(&entries[99], 5);
	assert_int_equal(timers_next(&all), 5);
	assert_int_equal(fire(100, 5), 1);
	set(&entries[50], 2000); /* later, */
	set(&entries[50], 500); /* then earlier than ever: */
	assert_int_equal(fire(100, 499), 0);
	assert_int_equal(fire(100, 500), 1);
	set(&entries[60], 2000); /* later, then back to where it was, then between */
	set(&entries[60], 1060);
	set(&entries[60], 1030);
	assert_int_equal(fire(100, 1029), 30);
	assert_int_equal(fire(100, 1030), 2);
	assert_int_equal(fire(100, 3000), 66);
}

/* From every place in the heap, with others moved later around it. */
static void test_cancelled(void **state)
{
	enum { COUNT = 40 };

	(void)state;
	for (size_t victim = 0; victim < COUNT; victim++)
		for (size_t order = 1; order < COUNT; order += 4) {
			for (size_t i = 0; i < COUNT; i++)
				set(&entries[i], 100 + i * (2 * order + 1) % 41);
			set(&entries[(victim + 1) % COUNT], 1000);
			cancel(&entries[victim]);
			cancel(&entries[victim]); /* twice is once */
			for (uint64_t now = 99; now <= 1000; now++)
				fire(COUNT, now);
			assert_int_equal(timers_next(&all), NEVER);
		}
}

static void test_never_cancels(void **state)
{
	(void)state;
	set(&entries[0], 7);
	set(&entries[1], 8);
	set(&entries[0], NEVER);
	assert_int_equal(fire(2, 7), 0);
	assert_int_equal(fire(2, 8), 1);
}

/* A fired timer may be set anew from within the loop that fires, as models do. */
static void test_set_while_firing(void **state)
{
	struct timer *t;
	unsigned fired = 0;

	(void)state;
	for (size_t i = 0; i < 10; i++)
		set(&entries[i], 10 + i);
	while ((t = timers_due(&all, 100)) != NULL) {
		struct entry *e = (struct entry *)t;

		e->at = NEVER;
		if (++fired <= 50)
			set(e, 20 + fired);
		if (fired == 3)
			cancel(&entries[9]);
	}
	assert_int_equal(fired, 59);
	assert_int_equal(timers_next(&all), NEVER);
}

/* Random operations on a few timers, time creeping on, the model asked after each of them. */
static void test_random(void **state)
{
	static const size_t counts[] = {1, 2, 3, 7, 64, 65, 200};

	(void)state;
	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
		size_t count = counts[c], fired = 0;
		uint64_t now = 1000;

		for (int i = 0; i < 60000; i++) {
			struct entry *e = &entries[random_below(count)];

			switch (random_below(8)) {
			case 0:
				cancel(e);
				break;
			case 1:
				fired += fire(count, now += random_below(30));
				break;
			case 2:
				set(e, NEVER);
				break;
			case 3: /* later than it is, as most are */
			case 4:
				set(e, (e->at == NEVER ? now : e->at) + random_below(50));
				break;
			default:
				set(e, now + random_below(100));
			}
			assert_true(timers_next(&all) <= earliest(count));
			assert_int_equal(timers_next(&all) == NEVER, earliest(count) == NEVER);
		}
		assert_true(fired > 100);
		fire(count, UINT64_MAX - 1);
		assert_int_equal(timers_next(&all), NEVER);
	}
}

/* As many as the lab has connections, most of them moved later each round. */
static void test_20000(void **state)
{
	uint64_t now = 0;
	size_t fired = 0, set_count = MANY;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		set(&entries[i], 1000 + random_below(1000));
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < MANY / 2; i++) {
			struct entry *e = &entries[random_below(MANY)];

			if (e->at != NEVER)
				set(e, e->at + random_below(200));
		}
		for (int i = 0; i < 100; i++) {
			struct entry *e = &entries[random_below(MANY)];

			set_count -= e->at != NEVER;
			cancel(e);
		}
		fired += fire(MANY, now += 100);
	}
	fired += fire(MANY, UINT64_MAX - 1);
	assert_int_equal(fired, set_count);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_none),      TEST(test_one),		TEST(test_order),
		TEST(test_ties),      TEST(test_moved_later),	TEST(test_moved_earlier),
		TEST(test_cancelled), TEST(test_never_cancels), TEST(test_set_while_firing),
		TEST(test_random),    TEST(test_20000),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
