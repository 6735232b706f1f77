/*
 * test_conn_memory.c - what a connection and the heap of timers do when there is no memory.
 *
 * This program brings its own malloc(), which fails when told to and knows what it gave out. For
 * every exchange, each of its allocations fails in turn: the connection must close, having sent
 * nothing but a beginning of the right answer, and give everything back.
 */
#include <stdbool.h>
#include <stddef.h>

/* The real ones: the sanitizer's, where there is one, or the C library's. */
extern void *__interceptor_malloc(size_t) __attribute__((weak));
extern void *__interceptor_realloc(void *, size_t) __attribute__((weak));
extern void __interceptor_free(void *) __attribute__((weak));
extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static void *real_malloc(size_t size)
{
	return __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
}

static void *real_realloc(void *old, size_t size)
{
	return __interceptor_realloc ? __interceptor_realloc(old, size) : __libc_realloc(old, size);
}

static void real_free(void *p)
{
	if (__interceptor_free)
		__interceptor_free(p);
	else
		__libc_free(p);
}

#define DRIVE_REALLOC real_realloc
#define DRIVE_FREE    real_free
#include "../../common/timers.h"
#include "exchange.h"

static bool watching; /* only then does anything fail, or count */
static unsigned allocations; /* so far */
static unsigned failing; /* the number of the one that fails; 0: none */
static bool failing_since; /* and all after it */
static unsigned failed_growths; /* realloc() of a block that was there */
static int live; /* blocks given out and not given back */

static bool fails(void)
{
	if (!watching)
		return false;
	allocations++;
	return failing && (allocations == failing || (failing_since && allocations > failing));
}

void *malloc(size_t size)
{
	void *p = fails() ? NULL : real_malloc(size);

	live += watching && p;
	return p;
}

void *realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : real_realloc(old, size);

	live += watching && p && !old;
	failed_growths += watching && !p && old;
	return p;
}

void free(void *p)
{
	live -= watching && p;
	real_free(p);
}

static char long_head[6000];

static const struct {
	const char *in;
	unsigned least; /* allocations it must make, in its cheapest way */
} scenarios[] = {
	{GET("/"), 1},
	{GET("/") GET("/"), 3},
	{GET("/db?ms=1") GET("/bytes?n=100000") GET("/stream?n=2&ms=1"), 6},
	{GET("/bytes?n=8192"), 1},
	{GET("/stream?n=3&ms=1"), 4},
	{"GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 4\r\n\r\n", 1},
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody" GET("/"), 2},
	{GET("/cpu?us=0") "GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n2\r\nab\r\n0\r\n\r\n", 3},
	{"GET / HTTP/1.0\r\n\r\njunk", 1},
	{"GET\r\n", 1},
	{GET("/") "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 3},
	{long_head, 2},
};

static void setup_long_head(void)
{
	size_t n = (size_t)snprintf(long_head, sizeof long_head, "GET /db?ms=1 HTTP/1.1\r\n" HOST);

	while (n < sizeof long_head - 200)
		n += (size_t)snprintf(long_head + n, sizeof long_head - n, "X-Padding: %080d\r\n",
				      0);
	snprintf(long_head + n, sizeof long_head - n, "\r\n%s", GET("/"));
}

/* How a connection that cannot go on may come to its end. */
enum end { BY_CLIENT, BY_DEADLINE };

static void run(struct drive *d, const char *in, size_t step, enum end end)
{
	allocations = 0;
	watching = true;
	drive_open(d, START);
	drive_feed(d, in, strlen(in), 0, step);
	if (d->conn.want == WANT_RECV && end == BY_CLIENT)
		drive_end_input(d);
	for (int i = 0; i < 3 && d->conn.want == WANT_RECV; i++) { /* 408 and a drain, at most */
		d->now = d->conn.deadline;
		conn_timer(&d->conn, d->now);
		drive_check(d);
		drive_run(d);
	}
	REQUIRE(d->conn.want == WANT_CLOSE);
	conn_close(&d->conn);
	watching = false;
	assert_int_equal(live, 0);
}

static void check_failures(const char *in, size_t step, enum end end, unsigned least)
{
	struct drive whole, d;

	failing = 0;
	run(&whole, in, step, end);
	unsigned needed = allocations;

	assert_true(needed >= least);
	for (int since = 0; since <= 1; since++)
		for (failing = 1; failing <= needed; failing++) {
			failing_since = since;
			run(&d, in, step, end);
			assert_true(allocations >= failing);
			assert_true(d.out_len < whole.out_len);
			if (d.out_len > 0)
				assert_memory_equal(d.out, whole.out, d.out_len);
			drive_close(&d);
		}
	failing = 0;
	drive_close(&whole);
}

static void test_each_allocation_fails(void **state)
{
	static const size_t steps[] = {SIZE_MAX, 1, 7, 300, 1500};

	(void)state;
	setup_long_head();
	for (size_t i = 0; i < COUNT(scenarios); i++)
		for (size_t k = 0; k < COUNT(steps); k++) {
			check_failures(scenarios[i].in, steps[k], BY_CLIENT, scenarios[i].least);
			check_failures(scenarios[i].in, steps[k], BY_DEADLINE, scenarios[i].least);
		}
	assert_true(failed_growths > 0);
}

/* Where there is no memory at all, nothing is answered and nothing breaks. */
static void test_no_memory_at_all(void **state)
{
	(void)state;
	failing_since = true;
	for (size_t i = 0; i < COUNT(scenarios); i++) {
		struct drive d;

		failing = 1;
		run(&d, scenarios[i].in, SIZE_MAX, BY_CLIENT);
		assert_int_equal(d.out_len, 0);
		drive_close(&d);
		failing = 0;
	}
}

/* Closed in the middle: whatever was held is given back. */
static void test_closed_at_every_step(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scenarios); i++)
		for (unsigned stop = 0, done = 0; !done; stop++) {
			const char *in = scenarios[i].in;
			size_t len = strlen(in), at = 0;
			struct drive d;
			unsigned step = 0;

			watching = true;
			drive_open(&d, START);
			d.send_most = 100;
			for (; step < stop; step++) {
				if (d.conn.want == WANT_CLOSE ||
				    (d.conn.want == WANT_RECV && at == len))
					break;
				if (d.conn.want == WANT_RECV)
					at += drive_recv(&d, in + at,
							 len - at < 40 ? len - at : 40);
				else
					drive_turn(&d);
			}
			done = step < stop;
			drive_close(&d);
			watching = false;
			assert_int_equal(live, 0);
		}
}

/* A timer that cannot be set is not set, and the others stay as they were. */
static void test_timers(void **state)
{
	enum { COUNT_BEFORE = 64, MORE = 1000 };
	static struct timer some[COUNT_BEFORE + MORE];
	struct timers all = {0};
	unsigned set = 0;
	uint64_t last = 0;

	(void)state;
	watching = true;
	failing_since = true;
	failing = 1;
	allocations = 0;
	assert_int_equal(timers_set(&all, &some[0], 5), -1);
	assert_int_equal(timers_next(&all), NEVER);
	assert_null(timers_due(&all, NEVER - 1));
	failing = 0;
	for (; set < COUNT_BEFORE; set++)
		assert_int_equal(timers_set(&all, &some[set], 1000 - set), 0);
	failing = 1;
	allocations = 0;
	while (set < COUNT_BEFORE + MORE && timers_set(&all, &some[set], 500) == 0)
		set++; /* as long as there is room already */
	assert_true(set < COUNT_BEFORE + MORE);
	assert_int_equal(some[set].place, 0);
	timers_cancel(&all, &some[set]); /* of one that is not in: nothing */
	assert_int_equal(timers_set(&all, &some[3], 900), 0); /* moving takes no memory */
	for (unsigned i = 0; i < set; i++) {
		struct timer *t = timers_due(&all, 2000);

		assert_non_null(t);
		assert_ptr_not_equal(t, &some[set]);
		last = t->at;
	}
	assert_int_equal(last, 1000);
	assert_null(timers_due(&all, NEVER - 1));
	timers_free(&all);
	failing = 0;
	watching = false;
	assert_int_equal(live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation_fails),
		cmocka_unit_test(test_no_memory_at_all),
		cmocka_unit_test(test_closed_at_every_step),
		cmocka_unit_test(test_timers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("out of memory", tests, NULL, NULL);
}
