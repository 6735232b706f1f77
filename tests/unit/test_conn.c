/*
 * test_conn.c - every kind of request of the contract through the connection core, without a
 * socket.
 *
 * Each exchange is run whole, cut in two at every byte, one byte and some at a time, and with
 * output that goes out one byte at a time or is cut at every byte; the answer must be the same each
 * time. drive.h checks the promises of conn.h after every single call.
 */
#include "exchange.h"

static const struct exchange exchanges[] = {
	/* the routes */
	{GET("/"), HELLO, STAYS},
	{GET("/db?ms=5"), DONE, STAYS},
	{GET("/db"), DONE, STAYS},
	{GET("/db?ms=0"), DONE, STAYS},
	{GET("/db?ms=0.25"), DONE, STAYS},
	{GET("/cpu?us=1"), DONE, STAYS},
	{GET("/cpu?us=0"), DONE, STAYS},
	{GET("/bytes?n=0"), BYTES_HEAD(0, ""), STAYS},
	{GET("/bytes?n=9"), BYTES_HEAD(9, "") "The quick", STAYS},
	{GET("/bytes?n=128"), BYTES_HEAD(128, "") ROW ROW, STAYS},
	{GET("/stream?n=3&ms=5"), STREAM_HEAD PIECES_3, STAYS},
	{GET("/stream?n=3&ms=0"), STREAM_HEAD PIECES_3, STAYS},
	{GET("/stream?n=0"), STREAM_HEAD "0\r\n\r\n", STAYS},
	/* HEAD: the same head, no body, and the next reply right behind it */
	{HEAD("/") GET("/"), HELLO_HEAD("") HELLO, STAYS},
	{HEAD("/db?ms=5") GET("/"), DONE_HEAD HELLO, STAYS},
	{HEAD("/cpu?us=1") GET("/"), DONE_HEAD HELLO, STAYS},
	{HEAD("/bytes?n=100000") GET("/"), BYTES_HEAD(100000, "") HELLO, STAYS},
	{HEAD("/stream?n=3") GET("/"), STREAM_HEAD HELLO, STAYS},
	{HEAD("/nowhere") GET("/"), FIELDS("404 Not Found", "text/plain", LENGTH(13), "") HELLO,
	 STAYS},
	/* other methods, paths and parameters */
	{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", NOT_ALLOWED, STAYS},
	{"DELETE / HTTP/1.1\r\n" HOST "\r\n" GET("/"), NOT_ALLOWED HELLO, STAYS},
	{"CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", NOT_ALLOWED, STAYS},
	{GET("/nowhere") GET("/"), NOT_FOUND HELLO, STAYS},
	{GET("/db?ms=x") GET("/"), BAD HELLO, STAYS},
	{GET("/bytes?n=-1") GET("/"), BAD HELLO, STAYS},
	{GET("/stream?n=2&ms=") GET("/"), BAD HELLO, STAYS},
	{"GET http://h/bytes?n=9 HTTP/1.1\r\n" HOST "\r\n", BYTES_HEAD(9, "") "The quick", STAYS},
	{"\r\n" GET("/"), HELLO, STAYS},
	{GET("/") "\r\n" GET("/"), HELLO HELLO, STAYS},
	/* keep-alive and close */
	{"GET / HTTP/1.1\r\n" HOST CLOSE "\r\n", HELLO_EXTRA(CLOSE), CLOSES},
	{"HEAD / HTTP/1.1\r\n" HOST CLOSE "\r\n", HELLO_HEAD(CLOSE), CLOSES},
	{"GET / HTTP/1.1\r\n" HOST "connection: x, CLOSE\r\n\r\n", HELLO_EXTRA(CLOSE), CLOSES},
	{"GET / HTTP/1.1\r\n" HOST KEEP "\r\n", HELLO, STAYS},
	{GET("/db?ms=5") "GET /bytes?n=9 HTTP/1.1\r\n" HOST CLOSE "\r\n",
	 DONE BYTES_HEAD(9, CLOSE) "The quick", CLOSES},
	/* HTTP/1.0 */
	{"GET / HTTP/1.0\r\n\r\n", HELLO_EXTRA(CLOSE), CLOSES},
	{"HEAD / HTTP/1.0\r\n\r\n", HELLO_HEAD(CLOSE), CLOSES},
	{"GET / HTTP/1.0\r\n" KEEP "\r\n" GET("/"), HELLO_EXTRA(KEEP) HELLO, STAYS},
	{"GET / HTTP/1.0\r\n" KEEP CLOSE "\r\n", HELLO_EXTRA(CLOSE), CLOSES},
	{"GET /bytes?n=0 HTTP/1.0\r\n" KEEP "\r\n", BYTES_HEAD(0, KEEP), STAYS},
	{"GET /stream?n=2&ms=1 HTTP/1.0\r\n" KEEP "\r\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" CLOSE "\r\npiece 1\npiece 2\n", CLOSES},
	{"GET /stream?n=0 HTTP/1.0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" CLOSE "\r\n", CLOSES},
	{"HEAD /stream?n=2 HTTP/1.0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" CLOSE "\r\n", CLOSES},
	{"GET / HTTP/1.0\r\n" KEEP "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab" GET("/"),
	 HELLO_EXTRA(KEEP) HELLO, STAYS},
	/* bodies, thrown away, and a request right behind */
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /" GET("/db?ms=1"), HELLO DONE,
	 STAYS},
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n" GET("/"), HELLO HELLO, STAYS},
	{"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET("/"), NOT_ALLOWED HELLO,
	 STAYS},
	{"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n0\r\n\r\n" GET("/"), HELLO HELLO, STAYS},
	{"GET /db?ms=1 HTTP/1.1\r\n" HOST CHUNKED "\r\n"
	 "5;name=value;q=\"a\\\"b\"\r\n0\r\n\r\n\r\nA\r\n0123456789\r\n000\r\n"
	 "Trailer: x\r\nOther:\r\n\r\n" GET("/"),
	 DONE HELLO, STAYS},
	{"POST /x HTTP/1.1\r\n" HOST CHUNKED CLOSE "\r\n3\r\nabc\r\n0\r\n\r\n",
	 NOT_ALLOWED_HEAD "Content-Type: text/plain\r\n" LENGTH(22) "\r\n" CLOSE "\r\n"
								    "405 Method Not Allowed",
	 CLOSES},
	/* refusals; what follows them is thrown away */
	{"GET / HTTP/1.1\r\n\r\n" GET("/"), REFUSED_400, CLOSES},
	{"GET / HTTP/1.1\r\nHost : h\r\n\r\n" GET("/"), REFUSED_400, CLOSES},
	{"GET / HTTP/1.1\r\n" HOST HOST "\r\n" GET("/"), REFUSED_400, CLOSES},
	{"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n" GET("/"), REFUSED_400, CLOSES},
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n" CHUNKED "\r\n0\r\n\r\n", REFUSED_400,
	 CLOSES},
	{"\x16\x03\x01\x02\x00\x01\n\n", REFUSED_400, CLOSES},
	{"GET / HTTP/2.0\r\n" HOST "\r\n", REFUSAL("505 HTTP Version Not Supported", 30), CLOSES},
	{"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\nxyz",
	 REFUSAL("501 Not Implemented", 19), CLOSES},
	{"GET / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\nxyz",
	 REFUSAL("413 Content Too Large", 21), CLOSES},
	{"GET / HTTP/1.1\r\n" HOST "Expect: wonders\r\n\r\n" GET("/"),
	 REFUSAL("417 Expectation Failed", 22), CLOSES},
	{"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\nxyz\r\n" GET("/"), REFUSED_400, CLOSES},
	{"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n3\r\nabcd\r\n0\r\n\r\n", REFUSED_400, CLOSES},
	{"GET / HTTP/1.1\r\n" HOST CHUNKED "\r\n100001\r\n", REFUSAL("413 Content Too Large", 21),
	 CLOSES},
	{GET("/db?ms=1") GET("/") "GET\r\n" GET("/"), DONE HELLO REFUSED_400, CLOSES},
};

/* ---- every exchange, every way ---------------------------------------------------------------
 */

static void test_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(exchanges); i++)
		run_exchange(&exchanges[i], (struct way){0, SIZE_MAX, 0, NO_CUT});
}

static void test_input_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(exchanges); i++)
		for (size_t first = 1; first < strlen(exchanges[i].in); first++)
			run_exchange(&exchanges[i], (struct way){first, SIZE_MAX, 0, NO_CUT});
}

static void test_input_in_small_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(exchanges); i++)
		for (size_t step = 1; step <= 7; step++) {
			run_exchange(&exchanges[i], (struct way){0, step, 0, NO_CUT});
			run_exchange(&exchanges[i], (struct way){0, step, step, NO_CUT});
		}
}

static void test_output_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(exchanges); i++) {
		run_exchange(&exchanges[i], (struct way){0, SIZE_MAX, 1, NO_CUT});
		for (size_t cut = 1; cut < strlen(exchanges[i].out); cut++)
			run_exchange(&exchanges[i], (struct way){0, SIZE_MAX, 0, cut});
	}
}

/* /stats is never twice the same; but its bytes are known when it is rendered. */
static void test_stats_route(void **state)
{
	static const char in[] = GET("/") GET("/nowhere") GET("/stats") HEAD("/stats");
	char body[APP_MAX_STATS], want[4 * APP_MAX_STATS];
	size_t len, n;

	(void)state;
	forget_counts();
	atomic_store(&stats->requests[app_status_index(200)], 1);
	atomic_store(&stats->requests[app_status_index(404)], 1);
	len = stats_json(body, sizeof body);
	n = (size_t)snprintf(want, sizeof want, "%s%s", HELLO, NOT_FOUND);
	for (int i = 0; i < 2; i++) {
		n += (size_t)snprintf(want + n, sizeof want - n,
				      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
				      "Content-Length: %zu\r\n\r\n",
				      len);
		if (i == 0)
			n += (size_t)snprintf(want + n, sizeof want - n, "%.*s", (int)len, body);
	}
	assert_true(n < sizeof want);
	for (size_t first = 0; first < strlen(in); first++) {
		struct drive d;

		forget_counts();
		drive_open(&d, START);
		drive_feed(&d, in, strlen(in), first, SIZE_MAX);
		assert_output(&d, in, want, n);
		drive_close(&d);
	}
}

/* ---- bodies ----------------------------------------------------------------------------------
 */

/* 0 ... all bytes of a body come along with its head. */
static void test_body_beside_the_head(void **state)
{
	static const char *const bodies[] = {
		"Content-Length: 9\r\n\r\n012345678",
		CHUNKED "\r\n3;ext=\"v\"\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: t\r\n\r\n",
	};
	char in[400];

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		int n = snprintf(in, sizeof in, "GET / HTTP/1.1\r\n" HOST "%s", bodies[i]);
		size_t head = (size_t)(strstr(in, "\r\n\r\n") + 4 - in);

		for (size_t first = head; first <= (size_t)n; first++)
			for (size_t step = 1; step < 20; step++)
				run_exchange(&(struct exchange){in, HELLO, STAYS},
					     (struct way){first, step, 0, NO_CUT});
	}
}

/* ---- Expect: 100-continue ---------------------------------------------------------------------
 */

static void test_expect_continue(void **state)
{
	static const char *const bodies[] = {
		"GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 4\r\n\r\nbody",
		"GET / HTTP/1.1\r\n" HOST EXPECT CHUNKED "\r\n4\r\nbody\r\n0\r\n\r\n",
	};
	char in[400];

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		size_t head = (size_t)(strstr(bodies[i], "\r\n\r\n") + 4 - bodies[i]);

		snprintf(in, sizeof in, "%s%s", bodies[i], GET("/"));
		for (size_t first = 1; first <= strlen(in); first++) {
			/* Asked for only where nothing of the body has come. */
			const char *want = first == head ? GO_ON HELLO HELLO : HELLO HELLO;
			struct drive d;

			drive_open(&d, START);
			drive_feed(&d, in, strlen(in), first, SIZE_MAX);
			assert_output(&d, in, want, strlen(want));
			assert_int_equal(d.continues, first == head);
			assert_after(&d, STAYS);
			drive_close(&d);
		}
		for (size_t cut = 0; cut < strlen(GO_ON HELLO); cut++) {
			struct drive d;

			drive_open(&d, START);
			d.send_cut = cut;
			drive_feed(&d, in, strlen(in), 0, 1);
			assert_output(&d, in, GO_ON HELLO HELLO, strlen(GO_ON HELLO HELLO));
			assert_int_equal(d.continues, 1);
			assert_after(&d, STAYS);
			drive_close(&d);
		}
	}
}

static void test_expect_without_body(void **state)
{
	(void)state;
	for (size_t step = 1; step < 100; step++) {
		run_exchange(
			&(struct exchange){"GET / HTTP/1.1\r\n" HOST EXPECT "\r\n", HELLO, STAYS},
			(struct way){0, step, 0, NO_CUT});
		run_exchange(&(struct exchange){"GET / HTTP/1.1\r\n" HOST EXPECT
						"Content-Length: 0\r\n\r\n",
						HELLO, STAYS},
			     (struct way){0, step, 0, NO_CUT});
	}
}

/* The client waits for its 100 behind a reply, too. */
static void test_expect_pipelined(void **state)
{
	static const char in[] =
		GET("/db?ms=1") "GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 4\r\n\r\n";
	struct drive d;

	(void)state;
	drive_open(&d, START);
	drive_feed(&d, in, strlen(in), 0, SIZE_MAX);
	assert_output(&d, in, DONE GO_ON, strlen(DONE GO_ON));
	assert_int_equal(d.conn.want, WANT_RECV);
	assert_null(d.conn.in);
	drive_feed(&d, "body", 4, 0, SIZE_MAX);
	assert_output(&d, in, DONE GO_ON HELLO, strlen(DONE GO_ON HELLO));
	assert_after(&d, STAYS);
	drive_close(&d);
}

/* ---- counting and memory ----------------------------------------------------------------------
 */

static void test_each_reply_is_counted_once(void **state)
{
	static const char in[] = GET("/") GET("/nowhere") GET("/db") HEAD("/bytes?n=99999")
		GET("/stream?n=4&ms=1") "POST / HTTP/1.1\r\n" HOST "\r\n" GET("/db?ms=x")
			GET("/") "GET / HTTP/1.1\r\n" HOST EXPECT "Content-Length: 1\r\n\r\n";
	struct drive d;

	(void)state;
	for (size_t send_most = 0; send_most < 3; send_most++) {
		forget_counts();
		drive_open(&d, START);
		d.send_most = send_most;
		drive_feed(&d, in, strlen(in), 0, SIZE_MAX);
		assert_int_equal(d.continues, 1);
		assert_int_equal(requests_counted(), 8); /* 100 is none */
		drive_feed(&d, "xGET\r\n", 6, 0, SIZE_MAX);
		assert_int_equal(atomic_load(&stats->requests[app_status_index(200)]), 6);
		assert_int_equal(atomic_load(&stats->requests[app_status_index(404)]), 1);
		assert_int_equal(atomic_load(&stats->requests[app_status_index(405)]), 1);
		assert_int_equal(atomic_load(&stats->requests[app_status_index(400)]), 2);
		assert_int_equal(requests_counted(), 10);
		drive_close(&d);
	}
	forget_counts();
	drive_open(&d, START); /* a reply that was lost on its way is none */
	drive_recv(&d, GET("/"), strlen(GET("/")));
	drive_send(&d, 5);
	conn_lost(&d.conn);
	drive_close(&d);
	assert_int_equal(requests_counted(), 0);
}

static void test_size(void **state)
{
	(void)state;
	assert_true(sizeof(struct conn) <= 128);
}

/* Only what is incomplete is held, and in proportion: a begun request costs little. */
static void test_holds_only_what_is_incomplete(void **state)
{
	static const char request[] = GET("/bytes?n=20000");
	struct drive d;

	(void)state;
	drive_open(&d, START);
	for (int i = 0; i < 3; i++) {
		assert_null(d.conn.in);
		drive_recv(&d, request, 10);
		assert_non_null(d.conn.in);
		drive_recv(&d, request + 10, strlen(request) - 10);
		assert_null(d.conn.in);
		assert_int_equal(d.conn.want, WANT_SEND);
		assert_non_null(d.conn.out); /* head and beginning */
		drive_send_all(&d);
		assert_int_equal(d.conn.want, WANT_SEND);
		assert_null(d.conn.out); /* the rest is static */
		drive_run(&d);
		assert_null(d.conn.in);
		assert_null(d.conn.out);
	}
	drive_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_input_cut_at_every_byte),
		cmocka_unit_test(test_input_in_small_pieces),
		cmocka_unit_test(test_output_cut_at_every_byte),
		cmocka_unit_test(test_stats_route),
		cmocka_unit_test(test_body_beside_the_head),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_expect_without_body),
		cmocka_unit_test(test_expect_pipelined),
		cmocka_unit_test(test_each_reply_is_counted_once),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_holds_only_what_is_incomplete),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("connection core", tests, NULL, NULL);
}
