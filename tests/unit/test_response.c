/*
 * test_response.c - the load generator's parser of responses and its timetable.
 *
 * Every response is given whole, cut at every byte, and byte by byte: the judgement must not depend
 * on how the network cut it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "clock.h"
#include "response.h"
#include "schedule.h"

struct expectation {
	const char *bytes;
	enum response_result result;
	unsigned status; /* of a whole one */
	bool keep_alive; /* likewise */
	bool head_only; /* the request was HEAD */
	size_t extra; /* bytes at the end that do not belong to it */
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct expectation EXPECTATIONS[] = {
	{OK "Content-Length: 5\r\n\r\nhello", RESPONSE_DONE, 200, true, false, 0},
	{OK "content-LENGTH:5  \r\nX: y\r\n\r\nhello", RESPONSE_DONE, 200, true, false, 0},
	{OK "Content-Length: 0\r\n\r\n", RESPONSE_DONE, 200, true, false, 0},
	{OK "Content-Length: 5\r\n\r\nhello world", RESPONSE_DONE, 200, true, false, 6},
	{OK "Content-Length: 5\r\n\r\nhel", RESPONSE_MORE, 0, false, false, 0},
	{OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", RESPONSE_DONE, 200, true, false,
	 0},
	{OK "Connection: close\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE, 200, false, false, 0},
	{OK "Connection: Foo , CLOSE\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE, 200, false,
	 false, 0},
	{OK "Connection: disclose\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE, 200, true, false,
	 0},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE, 200, false, false, 0},
	{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", RESPONSE_DONE,
	 200, true, false, 0},
	{"HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n", RESPONSE_DONE, 503, true, false, 0},
	{"HTTP/1.1 204 No Content\r\n\r\n", RESPONSE_DONE, 204, true, false, 0},
	{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", RESPONSE_DONE, 304, true, false,
	 0},
	{OK "Content-Length: 999\r\n\r\n", RESPONSE_DONE, 200, true, true, 0},
	{"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nab", RESPONSE_DONE, 200, true,
	 false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", RESPONSE_DONE, 200, true,
	 false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\nA;x=\"y\"\r\n0123456789\r\n1\r\n!\r\n000\r\nTrail: "
	    "er\r\n"
	    "A: b\r\n\r\n",
	 RESPONSE_DONE, 200, true, false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP", RESPONSE_DONE, 200, true, false, 4},
	{OK "\r\nuntil the end", RESPONSE_MORE, 0, false, false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n1234567890abcdef0\r\n", RESPONSE_BAD, 0, false,
	 false, 0},
	{OK "Transfer-Encoding: gzip\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", RESPONSE_BAD, 0, false,
	 false, 0},
	{OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Content-Length: 5x\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Content-Length: -5\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Content-Length:\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "Content-Length: 9999999999999999999\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "X: y\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "X : y\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK "X: y\r\n folded\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{OK ": no name\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{"HTTP/1.1 200 OK\nContent-Length: 0\n\n", RESPONSE_BAD, 0, false, false, 0},
	{"HTTP/2.0 200 OK\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{"HTTP/1.1 20 OK\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{"HTTP/1.1 999 Odd\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{"HTTP/1.1 101 Switching\r\n\r\n", RESPONSE_BAD, 0, false, false, 0},
	{"SSH-2.0-OpenSSH_9.2\r\n", RESPONSE_BAD, 0, false, false, 0},
	{"\x16\x03\x01", RESPONSE_BAD, 0, false, false, 0},
};

/* Gives the bytes in pieces that end at `cut`, then `step` bytes at a time. */
static void check_pieces(const struct expectation *e, size_t cut, size_t step)
{
	struct response r;
	enum response_result result = RESPONSE_MORE;
	size_t len = strlen(e->bytes), at = 0, used = 0;

	response_begin(&r, e->head_only);
	while (at < len && result == RESPONSE_MORE) {
		size_t piece = at < cut ? cut - at : step;

		if (piece > len - at)
			piece = len - at;
		result = response_feed(&r, e->bytes + at, piece, &used);
		if (result == RESPONSE_MORE)
			assert_int_equal(used, piece);
		at += used;
	}
	if (result != e->result)
		fail_msg("cut at %zu, then by %zu: %d, expected %d: %s", cut, step, result,
			 e->result, e->bytes);
	if (result != RESPONSE_DONE)
		return;
	assert_int_equal(r.status, e->status);
	assert_int_equal(r.keep_alive, e->keep_alive);
	assert_int_equal(len - at, e->extra);
}

static void judged_alike_however_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(EXPECTATIONS) / sizeof(*EXPECTATIONS); i++) {
		const struct expectation *e = &EXPECTATIONS[i];

		for (size_t cut = 0; cut <= strlen(e->bytes); cut++) {
			check_pieces(e, cut, SIZE_MAX);
			check_pieces(e, cut, 1);
		}
	}
}

/* A NUL byte is data in a body and malformed in a head: strings cannot say that. */
static void nul_bytes(void **state)
{
	static const char body[] = OK "Content-Length: 3\r\n\r\na\0b",
			  head[] = OK "X: a\0b\r\n\r\n";
	struct response r;
	size_t used;

	(void)state;
	response_begin(&r, false);
	assert_int_equal(response_feed(&r, body, sizeof(body) - 1, &used), RESPONSE_DONE);
	response_begin(&r, false);
	assert_int_equal(response_feed(&r, head, sizeof(head) - 1, &used), RESPONSE_BAD);
}

static void end_of_connection(void **state)
{
	static const char *const CUT[] = {"", "HTTP/1.1 2", OK "X: y\r\n",
					  OK "Content-Length: 2\r\n\r\na",
					  OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"};
	struct response r;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(CUT) / sizeof(*CUT); i++) {
		response_begin(&r, false);
		assert_int_equal(response_feed(&r, CUT[i], strlen(CUT[i]), &used), RESPONSE_MORE);
		assert_int_equal(response_eof(&r), RESPONSE_MORE);
	}
	static const char whole[] = OK "\r\nas long as it lasts";

	response_begin(&r, false);
	assert_int_equal(response_feed(&r, whole, sizeof(whole) - 1, &used), RESPONSE_MORE);
	assert_int_equal(response_eof(&r), RESPONSE_DONE);
	assert_false(r.keep_alive);
}

/* A body of 1 GiB is counted, through a buffer of a few KB. */
static void large_body(void **state)
{
	static const char head[] = OK "Content-Length: 1073741824\r\n\r\n";
	static char block[65536];
	struct response r;
	size_t used;

	(void)state;
	response_begin(&r, false);
	assert_int_equal(response_feed(&r, head, sizeof(head) - 1, &used), RESPONSE_MORE);
	for (int i = 0; i < 16383; i++)
		assert_int_equal(response_feed(&r, block, sizeof(block), &used), RESPONSE_MORE);
	assert_int_equal(response_feed(&r, block, sizeof(block) - 1, &used), RESPONSE_MORE);
	assert_int_equal(response_feed(&r, block, 2, &used), RESPONSE_DONE);
	assert_int_equal(used, 1);
}

static void endless_head_is_refused(void **state)
{
	static const char line[] = "X-Filler: 0123456789012345678901234567890123456789\r\n";
	struct response r;
	enum response_result result = RESPONSE_MORE;
	size_t used, fed = 0;

	(void)state;
	response_begin(&r, false);
	response_feed(&r, OK, strlen(OK), &used);
	while (result == RESPONSE_MORE && fed < 10 * RESPONSE_MAX_HEAD) {
		result = response_feed(&r, line, strlen(line), &used);
		fed += used;
	}
	assert_int_equal(result, RESPONSE_BAD);
	assert_true(fed <= RESPONSE_MAX_HEAD);
}

/* k workers together have exactly the constant timetable, each entry once. */
static void timetable_is_shared_out(void **state)
{
	struct schedule s[3];
	uint64_t start = 5000, expected = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		schedule_begin(&s[i], start, 3000, i, 3, 100, false, 1);
	for (unsigned k = 0; k < 100; k++) {
		expected = start + (uint64_t)((long double)k * 1e9 / 3000);
		assert_int_equal(s[k % 3].next_ns, expected);
		schedule_advance(&s[k % 3]);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(s[i].next_ns == NEVER);
}

/* Rounding errors do not add up: entry one hundred million of an odd rate is where it belongs. */
static void timetable_does_not_drift(void **state)
{
	struct schedule s;

	(void)state;
	schedule_begin(&s, 0, 77777.7, 0, 1, 0, false, 1);
	s.index = 99999999;
	schedule_advance(&s);
	assert_true(fabs((double)s.next_ns - 1e8 * (1e9 / 77777.7)) < 2);
}

/* Exponential gaps have the asked mean and a deviation as large; constant ones would have none. And
 * the streams of several workers add up to the rate. */
static void poisson_arrivals(void **state)
{
	enum { WORKERS = 4, EACH = 50000 };
	double last_end = 0;

	(void)state;
	for (unsigned w = 0; w < WORKERS; w++) {
		struct schedule s;
		double squares = 0, gap_ns = WORKERS * 1e9 / 10000;

		schedule_begin(&s, 0, 10000, w, WORKERS, 0, true, 7);
		uint64_t before = 0;

		for (int i = 0; i < EACH; i++) {
			double gap = (double)(s.next_ns - before);

			assert_true(s.next_ns >= before);
			squares += (gap - gap_ns) * (gap - gap_ns);
			before = s.next_ns;
			schedule_advance(&s);
		}
		double mean = (double)before / EACH, deviation = sqrt(squares / EACH);

		assert_true(fabs(mean / gap_ns - 1) < 0.03);
		assert_true(fabs(deviation / gap_ns - 1) < 0.05);
		assert_true((double)before != last_end); /* not all the same stream */
		last_end = (double)before;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(judged_alike_however_cut),
					   cmocka_unit_test(nul_bytes),
					   cmocka_unit_test(end_of_connection),
					   cmocka_unit_test(large_body),
					   cmocka_unit_test(endless_head_is_refused),
					   cmocka_unit_test(timetable_is_shared_out),
					   cmocka_unit_test(timetable_does_not_drift),
					   cmocka_unit_test(poisson_arrivals)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("response and timetable", tests, NULL, NULL);
}
