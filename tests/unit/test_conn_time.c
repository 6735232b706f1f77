/*
 * test_conn_time.c - every deadline of the connection core, to the nanosecond.
 */
#include "exchange.h"

static void expire(struct drive *d)
{
	assert_int_not_equal(d->conn.deadline, NEVER);
	d->now = d->conn.deadline;
	conn_timer(&d->conn, d->now);
	drive_check(d);
}

static void test_nothing_ever_sent(void **state)
{
	struct drive d;

	(void)state;
	drive_open(&d, START);
	assert_int_equal(d.conn.deadline, START + conn_config.request_timeout_ns);
	expire(&d);
	assert_int_equal(d.conn.want, WANT_CLOSE); /* without a word */
	drive_close(&d);
}

static void test_request_timeout(void **state)
{
	static const char *const unfinished[] = {
		"G",
		"\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\n\r",
		"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcd",
		"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n4\r\nabc",
		"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n0\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(unfinished); i++) {
		const char *in = unfinished[i];
		struct drive d;

		drive_open(&d, START);
		d.now += 3 * SECOND;
		drive_recv(&d, in, 1);
		uint64_t deadline = d.now + conn_config.request_timeout_ns;

		for (size_t at = 1; at < strlen(in); at++) { /* further bytes gain no time */
			assert_int_equal(d.conn.deadline, deadline);
			drive_recv(&d, in + at, 1);
		}
		assert_int_equal(d.conn.want, WANT_RECV);
		assert_int_equal(d.conn.deadline, deadline);
		expire(&d);
		assert_int_equal(d.conn.want, WANT_SEND);
		assert_null(d.conn.in);
		drive_run(&d);
		assert_output(&d, in, REFUSED_408, strlen(REFUSED_408));
		assert_true(d.shut);
		assert_int_equal(d.conn.deadline, d.now + SECOND);
		expire(&d);
		assert_int_equal(d.conn.want, WANT_CLOSE);
		drive_close(&d);
	}
}

/* The clock of a request that is kept alive starts with its first byte, not with the last reply. */
static void test_request_timeout_of_the_next(void **state)
{
	struct drive d;

	(void)state;
	drive_open(&d, START);
	drive_feed(&d, GET("/"), strlen(GET("/")), 0, SIZE_MAX);
	assert_int_equal(d.conn.deadline, d.now + conn_config.idle_timeout_ns);
	d.now += 20 * SECOND;
	drive_recv(&d, "GET", 3);
	uint64_t deadline = d.now + conn_config.request_timeout_ns;

	assert_int_equal(d.conn.deadline, deadline);
	d.now += 5 * SECOND;
	drive_recv(&d, " /", 2);
	assert_int_equal(d.conn.deadline, deadline);
	expire(&d);
	drive_run(&d);
	assert_output(&d, "GET /", HELLO REFUSED_408, strlen(HELLO REFUSED_408));
	drive_close(&d);
}

/* What was pipelined, and only begun, starts its clock when its turn comes. */
static void test_request_timeout_of_the_pipelined(void **state)
{
	static const char in[] = GET("/db?ms=30000") "GET / HT";
	struct drive d;

	(void)state;
	drive_open(&d, START);
	drive_recv(&d, in, strlen(in));
	assert_int_equal(d.conn.want, WANT_WAIT);
	assert_int_equal(d.conn.deadline, d.now + 30 * SECOND);
	drive_run(&d);
	assert_int_equal(d.conn.want, WANT_RECV);
	assert_int_equal(d.conn.deadline, d.now + conn_config.request_timeout_ns);
	expire(&d);
	drive_run(&d);
	assert_output(&d, in, DONE REFUSED_408, strlen(DONE REFUSED_408));
	drive_close(&d);
}

static void test_idle_timeout(void **state)
{
	struct drive d;

	(void)state;
	drive_open(&d, START);
	for (int i = 0; i < 3; i++) {
		drive_feed(&d, GET("/"), strlen(GET("/")), 0, SIZE_MAX);
		assert_int_equal(d.conn.deadline, d.now + conn_config.idle_timeout_ns);
		assert_null(d.conn.in);
		assert_null(d.conn.out);
		d.now += 7 * SECOND;
	}
	size_t sent = d.out_len;

	expire(&d);
	assert_int_equal(d.conn.want, WANT_CLOSE);
	assert_int_equal(d.out_len, sent);
	drive_close(&d);
}

static void test_reply_nobody_reads(void **state)
{
	static const char *const requests[] = {
		GET("/"), GET("/bytes?n=1000000"), GET("/stream?n=5&ms=1"), "GET\r\n",
		"GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 4\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++)
		for (int progress = 0; progress < 20; progress++) {
			struct drive d;

			drive_open(&d, START);
			drive_recv(&d, requests[i], strlen(requests[i]));
			for (int n = 0; n < progress; n++) { /* each byte read gains time */
				assert_int_equal(d.conn.want, WANT_SEND);
				d.now += 9 * SECOND;
				drive_send(&d, 1);
				assert_int_equal(d.conn.deadline,
						 d.now + conn_config.request_timeout_ns);
			}
			drive_send_nothing(&d); /* a full socket gains none */
			expire(&d);
			assert_int_equal(d.conn.want, WANT_CLOSE);
			assert_int_equal(d.out_len, progress);
			drive_close(&d);
		}
}

static void test_database_wait_is_exact(void **state)
{
	static const struct {
		const char *in;
		uint64_t delay_ns;
	} waits[] = {
		{GET("/db?ms=1"), 1000000},
		{GET("/db?ms=0.001"), 1000},
		{GET("/db?ms=2.5"), 2500000},
		{GET("/db?ms=0.000001"), 1},
		{GET("/db?ms=3600000"), 3600 * 1000000000ull},
		{"POST /db HTTP/1.1\r\n" HOST "\r\n", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(waits); i++)
		for (size_t step = 1; step < 60; step += 29) {
			size_t len = strlen(waits[i].in);
			struct drive d;

			drive_open(&d, START);
			for (size_t at = 0; at < len && d.conn.want == WANT_RECV;)
				at += drive_recv(&d, waits[i].in + at,
						 step < len - at ? step : len - at);
			if (waits[i].delay_ns) {
				assert_int_equal(d.conn.want, WANT_WAIT);
				assert_int_equal(d.conn.deadline, d.now + waits[i].delay_ns);
				assert_null(
					d.conn.in); /* ten thousand may wait: they hold nothing */
				assert_null(d.conn.out);
				expire(&d);
			}
			assert_int_equal(d.conn.want, WANT_SEND);
			assert_int_equal(d.conn.deadline, d.now + conn_config.request_timeout_ns);
			drive_close(&d);
		}
}

/* A database that was busy begins later, and then takes its whole time. */
static void test_database_begins_later(void **state)
{
	struct drive d;

	(void)state;
	drive_open(&d, START);
	drive_recv(&d, GET("/db?ms=7"), strlen(GET("/db?ms=7")));
	d.now += 3 * SECOND;
	conn_delay(&d.conn, d.now);
	drive_check(&d);
	assert_int_equal(d.conn.want, WANT_WAIT);
	assert_int_equal(d.conn.deadline, d.now + 7 * MS);
	drive_run(&d);
	assert_output(&d, "GET /db", DONE, strlen(DONE));
	assert_after(&d, STAYS);
	drive_close(&d);
}

/* A body delays the database: it starts when the request is complete. */
static void test_database_waits_for_the_body(void **state)
{
	static const char in[] = "GET /db?ms=7 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n";
	struct drive d;

	(void)state;
	drive_open(&d, START);
	drive_recv(&d, in, strlen(in));
	assert_int_equal(d.conn.want, WANT_RECV);
	d.now += SECOND;
	drive_recv(&d, "a", 1);
	assert_int_equal(d.conn.want, WANT_RECV);
	d.now += SECOND;
	drive_recv(&d, "b", 1);
	assert_int_equal(d.conn.want, WANT_WAIT);
	assert_int_equal(d.conn.deadline, d.now + 7 * MS);
	drive_close(&d);
}

/* Head at once, then a wait before each piece, and none behind the last. */
static void test_stream_waits(void **state)
{
	struct drive d;
	size_t head = strlen(STREAM_HEAD);

	(void)state;
	drive_open(&d, START);
	drive_recv(&d, GET("/stream?n=3&ms=20"), strlen(GET("/stream?n=3&ms=20")));
	assert_int_equal(d.conn.want, WANT_SEND);
	drive_send_all(&d);
	assert_int_equal(d.out_len, head);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(d.conn.want, WANT_WAIT);
		assert_int_equal(d.conn.deadline, d.now + 20 * MS);
		assert_null(d.conn.out);
		expire(&d);
		assert_int_equal(d.conn.want, WANT_SEND);
		drive_send_all(&d);
		assert_int_equal(d.out_len,
				 i < 2 ? head + 13 * (size_t)(i + 1) : head + strlen(PIECES_3));
	}
	assert_after(&d, STAYS);
	drive_close(&d);
}

static void test_continue_deadlines(void **state)
{
	static const char in[] = "GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 2\r\n\r\n";
	struct drive d;

	(void)state;
	drive_open(&d, START);
	drive_recv(&d, in, strlen(in));
	assert_int_equal(d.conn.want, WANT_SEND);
	d.now += 4 * SECOND;
	drive_send_all(&d); /* the client was kept waiting for this: its time to send begins now */
	assert_int_equal(d.conn.want, WANT_RECV);
	uint64_t deadline = d.now + conn_config.request_timeout_ns;

	assert_int_equal(d.conn.deadline, deadline);
	drive_recv(&d, "a", 1);
	assert_int_equal(d.conn.deadline, deadline);
	expire(&d);
	drive_run(&d);
	assert_output(&d, in, GO_ON REFUSED_408, strlen(GO_ON REFUSED_408));
	drive_close(&d);
}

/* Other time-outs than the defaults are obeyed too. */
static void test_configured_timeouts(void **state)
{
	struct conn_config saved = conn_config;
	struct drive d;

	(void)state;
	conn_config = (struct conn_config){.request_timeout_ns = 1500 * MS, .idle_timeout_ns = 3};
	drive_open(&d, START);
	assert_int_equal(d.conn.deadline, START + 1500 * MS);
	drive_feed(&d, GET("/"), strlen(GET("/")), 0, SIZE_MAX);
	assert_int_equal(d.conn.deadline, d.now + 3);
	drive_recv(&d, "G", 1);
	assert_int_equal(d.conn.deadline, d.now + 1500 * MS);
	drive_close(&d);
	conn_config = saved;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_ever_sent),
		cmocka_unit_test(test_request_timeout),
		cmocka_unit_test(test_request_timeout_of_the_next),
		cmocka_unit_test(test_request_timeout_of_the_pipelined),
		cmocka_unit_test(test_idle_timeout),
		cmocka_unit_test(test_reply_nobody_reads),
		cmocka_unit_test(test_database_wait_is_exact),
		cmocka_unit_test(test_database_begins_later),
		cmocka_unit_test(test_database_waits_for_the_body),
		cmocka_unit_test(test_stream_waits),
		cmocka_unit_test(test_continue_deadlines),
		cmocka_unit_test(test_configured_timeouts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("connection core: time", tests, NULL, NULL);
}
