/*
 * test_app.c - the routes (common/app.c): what is decided for each request. The bytes of the
 * replies are test_app_bytes.c's.
 *
 * Requests go through the real parser.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../common/app.h"
#include "../../common/clock.h"
#include "../../common/stats.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS	     NS_PER_MILLISECOND
#define GIBIBYTE     (UINT64_C(1) << 30)

static struct reply handle(const char *method, const char *target, const char *version,
			   const char *fields)
{
	struct http_request req;
	struct reply reply;
	char head[1024];
	int n = snprintf(head, sizeof head, "%s %s HTTP/%s\r\nHost: h\r\n%s\r\n", method, target,
			 version, fields);

	assert_true(n > 0 && n < (int)sizeof head);
	assert_int_equal(http_parse(head, (size_t)n, 0, &req), n);
	memset(&reply, 0xa5, sizeof reply); /* what is left unset will show */
	app_handle(&req, &reply);
	return reply;
}

static struct reply get(const char *target)
{
	return handle("GET", target, "1.1", "");
}

/* ---- decisions --------------------------------------------------------------------------------
 */

static const struct {
	const char *target;
	int status;
	enum reply_body body;
	uint64_t delay_ns, compute_ns, length;
} routes[] = {
	{"/", 200, BODY_HELLO, 0, 0, 0},
	{"/?anything=goes", 200, BODY_HELLO, 0, 0, 0},
	{"/stats", 200, BODY_STATS, 0, 0, 0},
	{"/stats?x", 200, BODY_STATS, 0, 0, 0},
	{"http://h", 200, BODY_HELLO, 0, 0, 0},
	{"http://h/stats", 200, BODY_STATS, 0, 0, 0},
	/* the defaults */
	{"/db", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/cpu", 200, BODY_DONE, 0, MS, 0},
	{"/bytes", 200, BODY_BYTES, 0, 0, 1024},
	{"/stream", 200, BODY_STREAM, 100 * MS, 0, 10},
	/* parameters: the first of a name counts, others are passed over */
	{"/db?ms=25", 200, BODY_DONE, 25 * MS, 0, 0},
	{"/db?ms=0", 200, BODY_DONE, 0, 0, 0},
	{"/db?ms=000025", 200, BODY_DONE, 25 * MS, 0, 0},
	{"/db?ms=25&ms=30", 200, BODY_DONE, 25 * MS, 0, 0},
	{"/db?x=1&&ms=25&", 200, BODY_DONE, 25 * MS, 0, 0},
	{"/db?", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?&", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?m", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?ms", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?mss=3", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?xms=3", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?m=3", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?MS=3", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/db?us=3&n=4", 200, BODY_DONE, 10 * MS, 0, 0},
	{"/stream?n=3&ms=5", 200, BODY_STREAM, 5 * MS, 0, 3},
	{"/stream?ms=5&n=3", 200, BODY_STREAM, 5 * MS, 0, 3},
	{"/stream?n=0", 200, BODY_STREAM, 100 * MS, 0, 0},
	/* fractions */
	{"/db?ms=2.5", 200, BODY_DONE, 2500000, 0, 0},
	{"/db?ms=0.000001", 200, BODY_DONE, 1, 0, 0},
	{"/db?ms=0.0000019", 200, BODY_DONE, 1, 0, 0},
	{"/db?ms=0.00000099999999999999999999999999", 200, BODY_DONE, 0, 0, 0},
	{"/db?ms=1.123456", 200, BODY_DONE, 1123456, 0, 0},
	{"/cpu?us=0.5", 200, BODY_DONE, 0, 500, 0},
	{"/cpu?us=1.001", 200, BODY_DONE, 0, 1001, 0},
	/* bounds, and a step beyond them */
	{"/db?ms=3600000", 200, BODY_DONE, 3600 * NS_PER_SECOND, 0, 0},
	{"/db?ms=3600000.0", 200, BODY_DONE, 3600 * NS_PER_SECOND, 0, 0},
	{"/db?ms=3600000.000001", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=3600001", 400, BODY_STATUS, 0, 0, 0},
	{"/cpu?us=60000000", 200, BODY_DONE, 0, 60 * NS_PER_SECOND, 0},
	{"/cpu?us=60000001", 400, BODY_STATUS, 0, 0, 0},
	{"/bytes?n=0", 200, BODY_BYTES, 0, 0, 0},
	{"/bytes?n=1073741824", 200, BODY_BYTES, 0, 0, GIBIBYTE},
	{"/bytes?n=1073741825", 400, BODY_STATUS, 0, 0, 0},
	{"/stream?n=1000000", 200, BODY_STREAM, 100 * MS, 0, 1000000},
	{"/stream?n=1000001", 400, BODY_STATUS, 0, 0, 0},
	{"/stream?n=1&ms=3600001", 400, BODY_STATUS, 0, 0, 0},
	/* would be small again if it overflowed */
	{"/bytes?n=18446744073709551616", 400, BODY_STATUS, 0, 0, 0},
	{"/bytes?n=18446744073709551617", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=18446744073710", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=99999999999999999999999999999999999999999", 400, BODY_STATUS, 0, 0, 0},
	/* malformed */
	{"/db?ms=", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=.", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=.5", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=5.", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=5.5.5", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=-5", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=+5", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=5e3", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=0x10", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=5%20", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=ten", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms==5", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=5?", 400, BODY_STATUS, 0, 0, 0},
	{"/db?ms=&ms=5", 400, BODY_STATUS, 0, 0, 0},
	{"/bytes?n=1.0", 400, BODY_STATUS, 0, 0, 0},
	{"/bytes?n=1k", 400, BODY_STATUS, 0, 0, 0},
	{"/stream?n=2&ms=x", 400, BODY_STATUS, 0, 0, 0},
	{"/stream?n=x&ms=2", 400, BODY_STATUS, 0, 0, 0},
	/* no such path: nothing is decoded, folded or forgiven */
	{"/nowhere", 404, BODY_STATUS, 0, 0, 0},
	{"//", 404, BODY_STATUS, 0, 0, 0},
	{"/db/", 404, BODY_STATUS, 0, 0, 0},
	{"/DB", 404, BODY_STATUS, 0, 0, 0},
	{"/%64b", 404, BODY_STATUS, 0, 0, 0},
	{"/dbx?ms=1", 404, BODY_STATUS, 0, 0, 0},
	{"/d", 404, BODY_STATUS, 0, 0, 0},
};

static void test_routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(routes); i++) {
		struct reply reply = get(routes[i].target);

		if (reply.status != routes[i].status)
			print_message("# %s\n", routes[i].target);
		assert_int_equal(reply.status, routes[i].status);
		assert_int_equal(reply.body, routes[i].body);
		assert_int_equal(reply.delay_ns, routes[i].delay_ns);
		assert_int_equal(reply.compute_ns, routes[i].compute_ns);
		if (reply.status == 200)
			assert_int_equal(reply.length, routes[i].length);
		assert_false(reply.head_only);
		assert_true(reply.keep_alive); /* even a 404 or a bad parameter is understood */
		assert_false(reply.http10);
	}
}

static void test_methods(void **state)
{
	static const char *const others[] = {"POST", "PUT", "DELETE", "get", "TRACE", "X"};

	(void)state;
	for (size_t i = 0; i < COUNT(routes); i++) {
		struct reply get_reply = get(routes[i].target),
			     head = handle("HEAD", routes[i].target, "1.1", "");

		assert_true(head.head_only);
		/* and else it is the same */
		assert_int_equal(head.status, get_reply.status);
		assert_int_equal(head.body, get_reply.body);
		assert_int_equal(head.delay_ns, get_reply.delay_ns);
		assert_int_equal(head.compute_ns, get_reply.compute_ns);
		assert_int_equal(head.length, get_reply.length);
		assert_int_equal(head.keep_alive, get_reply.keep_alive);
		for (size_t k = 0; k < COUNT(others); k++) {
			struct reply reply = handle(others[k], routes[i].target, "1.1", "");

			assert_int_equal(reply.status, 405);
			assert_int_equal(reply.body, BODY_STATUS);
			assert_int_equal(reply.delay_ns + reply.compute_ns, 0);
			assert_false(reply.head_only);
			assert_true(reply.keep_alive);
		}
	}
	assert_int_equal(handle("OPTIONS", "*", "1.1", "").status, 405);
	assert_int_equal(handle("CONNECT", "h:1", "1.1", "").status, 405);
}

static void test_versions_and_keep_alive(void **state)
{
	static const char keep[] = "Connection: keep-alive\r\n", close[] = "Connection: close\r\n";

	(void)state;
	assert_true(handle("GET", "/", "1.0", keep).keep_alive);
	assert_true(handle("GET", "/", "1.0", keep).http10);
	assert_false(handle("GET", "/", "1.0", "").keep_alive);
	assert_false(handle("GET", "/", "1.1", close).keep_alive);
	assert_false(handle("GET", "/", "1.1", close).http10);
	/* Without chunks, only the end of the connection ends a stream. */
	assert_false(handle("GET", "/stream", "1.0", keep).keep_alive);
	assert_true(handle("GET", "/stream", "1.1", "").keep_alive);
}

static void test_db_delay_option(void **state)
{
	struct app_config saved = app_config;

	(void)state;
	app_config.db_delay_ns = 123;
	assert_int_equal(get("/db").delay_ns, 123);
	assert_int_equal(get("/db?ms=1").delay_ns, MS);
	assert_int_equal(get("/stream").delay_ns, 100 * MS);
	app_config = saved;
}

static void test_refuse(void **state)
{
	struct reply reply;

	(void)state;
	memset(&reply, 0xa5, sizeof reply);
	app_refuse(414, &reply);
	assert_int_equal(reply.status, 414);
	assert_int_equal(reply.body, BODY_STATUS);
	assert_int_equal(reply.delay_ns + reply.compute_ns, 0);
	assert_false(reply.keep_alive);
	assert_false(reply.head_only);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717) % n;
}

/* Any number of nanoseconds, written as milliseconds, is read as that number. */
static void test_every_nanosecond_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t ns = random_below(UINT64_C(1) << random_below(42)), digits = 6;
		uint64_t shown = ns % MS;
		char target[64];

		if (ns > 3600 * NS_PER_SECOND)
			continue;
		while (digits > 1 && shown % 10 == 0) { /* trailing zeros may be left out */
			shown /= 10;
			digits--;
		}
		snprintf(target, sizeof target, "/db?ms=%lu.%0*lu", ns / MS, (int)digits, shown);
		assert_int_equal(get(target).delay_ns, ns);
		snprintf(target, sizeof target, "/bytes?n=%lu", ns % (GIBIBYTE + 1));
		assert_int_equal(get(target).length, ns % (GIBIBYTE + 1));
	}
}

/* ---- statuses ---------------------------------------------------------------------------------
 */

static void test_status_index(void **state)
{
	static const int known[] = {200, 400, 404, 405, 408, 413, 414,
				    417, 431, 500, 501, 503, 505};
	static const int unknown[] = {0, 1, 100, 204, 302, 401, 499, 502, 504, 599, 999, -1};
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		unsigned index = app_status_index(known[i]);

		assert_in_range(index, 0, STATS_STATUSES - 1);
		assert_int_equal(app_status_at(index), known[i]);
		assert_int_equal(seen & 1u << index, 0);
		seen |= 1u << index;
	}
	assert_int_equal(seen, (1u << COUNT(known)) - 1);
	for (size_t i = 0; i < COUNT(unknown); i++)
		assert_int_equal(app_status_index(unknown[i]), app_status_index(500));
	for (unsigned i = COUNT(known); i < 100; i++)
		assert_int_equal(app_status_at(i), 0);
	assert_int_equal(app_status_at(UINT32_MAX), 0);
}

/* ---- computing --------------------------------------------------------------------------------
 */

static uint64_t cpu_time_ns(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

/* CPU time and no less; how long that takes on the wall is the machine's affair. */
static void test_compute(void **state)
{
	(void)state;
	for (uint64_t asked_ns = 0; asked_ns <= 10 * MS; asked_ns += 2 * MS) {
		uint64_t before_ns = cpu_time_ns();

		app_compute(asked_ns);
		assert_true(cpu_time_ns() - before_ns >= asked_ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_versions_and_keep_alive),
		cmocka_unit_test(test_db_delay_option),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_every_nanosecond_is_read),
		cmocka_unit_test(test_status_index),
		cmocka_unit_test(test_compute),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("application", tests, NULL, NULL);
}
