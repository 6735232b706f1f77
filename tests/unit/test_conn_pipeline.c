/*
 * test_conn_pipeline.c - requests that come before the reply to the one before them.
 */
#include "exchange.h"

enum { PIPELINED = 20 };

static void repeat(char *to, const char *const parts[], size_t count, size_t times)
{
	*to = '\0';
	for (size_t i = 0; i < times; i++)
		strcat(to, parts[i % count]);
}

static void check_pipeline(const char *const in[], const char *const out[], size_t count)
{
	char all_in[8192], all_out[16384];
	struct exchange e = {all_in, all_out, STAYS};

	repeat(all_in, in, count, PIPELINED);
	repeat(all_out, out, count, PIPELINED);
	run_exchange(&e, (struct way){0, SIZE_MAX, 0, NO_CUT});
	run_exchange(&e, (struct way){0, SIZE_MAX, 1, NO_CUT});
	for (size_t first = 1; first < strlen(all_in); first++)
		run_exchange(&e, (struct way){first, SIZE_MAX, 0, NO_CUT});
	for (size_t step = 1; step < 200; step += 3)
		run_exchange(&e, (struct way){0, step, 100, NO_CUT});
}

static void test_pipeline_of_20(void **state)
{
	static const char *const same_in[] = {GET("/")}, *const same_out[] = {HELLO};
	static const char *const in[] = {
		GET("/db?ms=50"),
		GET("/"),
		"POST /x HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody",
		"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n2;a\r\nhi\r\n0\r\nT: t\r\n\r\n",
		HEAD("/"),
		GET("/stream?n=3&ms=1"),
		GET("/cpu?us=1"),
		GET("/bytes?n=9"),
	};
	static const char *const out[] = {
		DONE,		HELLO,
		NOT_ALLOWED,	HELLO,
		HELLO_HEAD(""), STREAM_HEAD PIECES_3,
		DONE,		BYTES_HEAD(9, "") "The quick",
	};

	(void)state;
	check_pipeline(same_in, same_out, 1);
	check_pipeline(in, out, COUNT(in));
}

/* All 20 are there while the database works for the first: they are kept, the deadline is the
 * database's, and each later wait begins when the reply before it is out. */
static void test_pipeline_behind_a_wait(void **state)
{
	static const char *const one_in[] = {GET("/db?ms=50")};
	char in[4096];
	struct drive d;

	(void)state;
	repeat(in, one_in, 1, PIPELINED);
	drive_open(&d, START);
	assert_int_equal(drive_recv(&d, in, strlen(in)), strlen(in));
	for (int i = 0; i < PIPELINED; i++) {
		assert_int_equal(d.conn.want, WANT_WAIT);
		assert_int_equal(d.conn.deadline, d.now + 50 * MS);
		if (i + 1 < PIPELINED)
			assert_non_null(d.conn.in);
		else
			assert_null(d.conn.in);
		assert_null(d.conn.out);
		drive_turn(&d);
		assert_int_equal(d.conn.want, WANT_SEND);
		assert_int_equal(d.out_len, (size_t)i * strlen(DONE));
		drive_turn(&d);
	}
	assert_after(&d, STAYS);
	drive_close(&d);
}

/* More pipelined requests than the shared buffer holds, however the pieces fall. */
static void test_pipeline_longer_than_the_buffer(void **state)
{
	enum { TIMES = 1500 };
	const size_t one = strlen(GET("/")), reply = strlen(HELLO);
	char *in = malloc(TIMES * one + 1);

	(void)state;
	assert_non_null(in);
	for (int i = 0; i < TIMES; i++)
		memcpy(in + (size_t)i * one, GET("/"), one + 1);
	for (size_t step = 1000; step <= 64000; step += 9001) {
		struct drive d;

		drive_open(&d, START);
		drive_feed(&d, in, TIMES * one, 0, step);
		assert_int_equal(d.out_len, TIMES * reply);
		for (int i = 0; i < TIMES; i++)
			assert_memory_equal(d.out + (size_t)i * reply, HELLO, reply);
		assert_after(&d, STAYS);
		drive_close(&d);
	}
	free(in);
}

/* A client that says "close" and then sends more, wherever the cut falls. */
static void test_close_with_input_behind(void **state)
{
	static const struct exchange e = {"GET / HTTP/1.1\r\n" HOST CLOSE "\r\n" GET("/") "junk",
					  HELLO_EXTRA(CLOSE), CLOSES};

	(void)state;
	for (size_t first = 1; first <= strlen(e.in); first++)
		run_exchange(&e, (struct way){first, SIZE_MAX, 0, NO_CUT});
	for (size_t step = 1; step <= strlen(e.in); step++)
		run_exchange(&e, (struct way){0, step, 0, NO_CUT});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipeline_of_20),
		cmocka_unit_test(test_pipeline_behind_a_wait),
		cmocka_unit_test(test_pipeline_longer_than_the_buffer),
		cmocka_unit_test(test_close_with_input_behind),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("connection core: pipelining", tests, NULL, NULL);
}
