/*
 * test_conn_end.c - how a connection ends: refusals, the end of input, a lost socket.
 */
#include "exchange.h"

static void test_refusal_step_by_step(void **state)
{
	char rubbish[20000];
	struct drive d;

	(void)state;
	memset(rubbish, '\n', sizeof rubbish);
	drive_open(&d, START);
	drive_recv(&d, "GET\r\n", 5);
	assert_int_equal(d.conn.want, WANT_SEND);
	assert_null(d.conn.in);
	drive_turn(&d);
	assert_int_equal(d.conn.want, WANT_SHUT);
	assert_int_equal(d.out_len, strlen(REFUSED_400));
	drive_turn(&d);
	uint64_t deadline = d.now + SECOND;

	assert_int_equal(d.conn.want, WANT_RECV);
	for (int i = 0; i < 50; i++) { /* never held, never answered, no time gained */
		assert_int_equal(d.conn.deadline, deadline);
		assert_true(drive_recv(&d, rubbish, sizeof rubbish) >= CONN_BUFFER);
		assert_int_equal(d.conn.want, WANT_RECV);
		assert_null(d.conn.in);
		drive_recv(&d, GET("/"), strlen(GET("/")));
	}
	assert_int_equal(d.out_len, strlen(REFUSED_400));
	struct conn copy = d.conn;

	drive_end_input(&d); /* the client has read it and closed */
	d.conn = copy;
	conn_timer(&d.conn, deadline); /* or it never does */
	assert_int_equal(d.conn.want, WANT_CLOSE);
	drive_close(&d);
}

/* ---- endings ----------------------------------------------------------------------------------
 */

static const struct {
	const char *in;
	unsigned turns; /* then, so many steps that are not receiving */
	enum want want;
} states[] = {
	{"", 0, WANT_RECV},
	{"GET / HTTP/1.1\r\nHo", 0, WANT_RECV},
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabc", 0, WANT_RECV},
	{GET("/"), 1, WANT_RECV},
	{GET("/") "GET", 1, WANT_RECV},
	{"GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 4\r\n\r\n", 1, WANT_RECV},
	{"GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 4\r\n\r\n", 0, WANT_SEND},
	{"GET\r\n", 2, WANT_RECV},
	{GET("/db"), 0, WANT_WAIT},
	{GET("/db") GET("/db"), 0, WANT_WAIT},
	{GET("/db") GET("/db"), 1, WANT_SEND},
	{GET("/db") GET("/db"), 2, WANT_WAIT},
	{GET("/stream"), 1, WANT_WAIT},
	{GET("/stream") GET("/"), 2, WANT_SEND},
	{GET("/cpu?us=9") GET("/"), 0, WANT_COMPUTE},
	{GET("/"), 0, WANT_SEND},
	{GET("/bytes?n=1000000") GET("/"), 2, WANT_SEND},
	{"GET\r\n", 0, WANT_SEND},
	{"GET\r\n", 1, WANT_SHUT},
	{"GET / HTTP/1.0\r\n\r\n", 1, WANT_SHUT},
	{"GET / HTTP/1.0\r\n\r\n", 2, WANT_RECV},
};

static void reach(struct drive *d, size_t i)
{
	drive_open(d, START);
	if (*states[i].in)
		drive_recv(d, states[i].in, strlen(states[i].in));
	for (unsigned turn = 0; turn < states[i].turns; turn++)
		drive_turn(d);
	assert_int_equal(d->conn.want, states[i].want);
}

/* The end of input: nobody is left to answer, nothing is said. */
static void test_end_of_input_in_each_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		struct drive d;

		reach(&d, i);
		if (d.conn.want != WANT_RECV) { /* it is seen when the replies are out */
			drive_run(&d);
			if (d.conn.want == WANT_CLOSE) {
				drive_close(&d);
				continue;
			}
		}
		size_t sent = d.out_len;

		drive_end_input(&d);
		assert_int_equal(d.out_len, sent);
		drive_close(&d);
	}
}

static void test_lost_in_each_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		struct drive d;

		reach(&d, i);
		conn_lost(&d.conn);
		assert_int_equal(d.conn.want, WANT_CLOSE);
		assert_int_equal(d.conn.deadline, NEVER);
		conn_close(&d.conn); /* twice is once */
		drive_close(&d);
	}
}

/* The struct may be used again, whatever it went through. */
static void test_opened_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(states); i++) {
		struct drive d;

		reach(&d, i);
		conn_close(&d.conn);
		d.now += SECOND;
		d.was = WANT_CLOSE;
		d.shut = false;
		d.out_len = 0;
		conn_open(&d.conn, d.shared, d.now);
		assert_int_equal(d.conn.deadline, d.now + conn_config.request_timeout_ns);
		drive_feed(&d, GET("/db"), strlen(GET("/db")), 0, 5);
		assert_output(&d, states[i].in, DONE, strlen(DONE));
		assert_after(&d, STAYS);
		drive_close(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal_step_by_step),
		cmocka_unit_test(test_end_of_input_in_each_state),
		cmocka_unit_test(test_lost_in_each_state),
		cmocka_unit_test(test_opened_again),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("connection core: endings", tests, NULL, NULL);
}
