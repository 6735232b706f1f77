/*
 * test_conn_limits.c - requests as long as they may be and a byte longer, replies of every size,
 * through the connection core.
 */
#include "exchange.h"

enum { BLOCK = 64 * 1024 }; /* the static block of /bytes */

/* ---- limits -----------------------------------------------------------------------------------
 */

/* A string that grows. */
struct text {
	char *at;
	size_t len, room;
};

static inline void add(struct text *t, const char *bytes, size_t len)
{
	if (t->room - t->len <= len) {
		t->room = 2 * (t->len + len) + 1;
		t->at = realloc(t->at, t->room);
		assert_non_null(t->at);
	}
	memcpy(t->at + t->len, bytes, len);
	t->len += len;
	t->at[t->len] = '\0';
}
#define ADD(t, literal) add(t, literal, strlen(literal))

static void add_run(struct text *t, char c, size_t count)
{
	while (count-- > 0)
		add(t, &c, 1);
}

/* Whole, byte by byte, and cut in two at every `stride`th byte; then t is empty again. */
static void check_long(struct text *t, const char *out, enum after after, size_t stride)
{
	struct exchange e = {t->at, out, after};

	run_exchange(&e, (struct way){0, SIZE_MAX, 0, NO_CUT});
	run_exchange(&e, (struct way){0, 1, 0, NO_CUT});
	run_exchange(&e, (struct way){0, 1021, 0, NO_CUT});
	for (size_t first = 1; first < t->len; first += stride)
		run_exchange(&e, (struct way){first, SIZE_MAX, 0, NO_CUT});
	t->len = 0;
}

static void test_long_request_line(void **state)
{
	struct text t = {0};

	(void)state;
	ADD(&t, "GET /");
	add_run(&t, 'a', HTTP_MAX_LINE - strlen("GET / HTTP/1.1"));
	ADD(&t, " HTTP/1.1\r\n" HOST "\r\n" GET("/"));
	check_long(&t, NOT_FOUND HELLO, STAYS, 1);
	ADD(&t, "GET /");
	add_run(&t, 'a', HTTP_MAX_LINE + 1 - strlen("GET / HTTP/1.1"));
	ADD(&t, " HTTP/1.1\r\n" HOST "\r\n" GET("/"));
	check_long(&t, REFUSAL("414 URI Too Long", 16), CLOSES, 1);
	free(t.at);
}

static void add_head(struct text *t, size_t len)
{
	ADD(t, "GET / HTTP/1.1\r\n" HOST "X: ");
	add_run(t, 'x', len - t->len - 4);
	ADD(t, "\r\n\r\n");
}

static void test_long_head(void **state)
{
	struct text t = {0};

	(void)state;
	add_head(&t, HTTP_MAX_HEAD);
	ADD(&t, GET("/"));
	check_long(&t, HELLO HELLO, STAYS, 7);
	add_head(&t, HTTP_MAX_HEAD + 1);
	ADD(&t, GET("/"));
	check_long(&t, REFUSAL("431 Request Header Fields Too Large", 35), CLOSES, 7);
	ADD(&t, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < HTTP_MAX_FIELDS; i++)
		ADD(&t, "x:y\r\n");
	ADD(&t, "\r\n");
	check_long(&t, REFUSAL("431 Request Header Fields Too Large", 35), CLOSES, 1);
	/* behind another request, so that it begins in the middle of the buffer */
	ADD(&t, GET("/"));
	ADD(&t, "GET / HTTP/1.1\r\n" HOST "X: ");
	add_run(&t, 'x', HTTP_MAX_HEAD);
	check_long(&t, HELLO REFUSAL("431 Request Header Fields Too Large", 35), CLOSES, 7);
	free(t.at);
}

static void test_long_body(void **state)
{
	struct text t = {0};

	(void)state;
	ADD(&t, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
	add_run(&t, '\n', HTTP_MAX_BODY);
	ADD(&t, GET("/"));
	check_long(&t, NOT_ALLOWED HELLO, STAYS, 99991);
	ADD(&t, "POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n80000\r\n");
	add_run(&t, 'x', 0x80000);
	ADD(&t, "\r\n80000\r\n");
	add_run(&t, 'x', 0x80000);
	ADD(&t, "\r\n0\r\n\r\n" GET("/"));
	check_long(&t, NOT_ALLOWED HELLO, STAYS, 99991);
	ADD(&t, "POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n80000\r\n");
	add_run(&t, 'x', 0x80000);
	ADD(&t, "\r\n80001\r\n");
	add_run(&t, 'x', 0x80000);
	check_long(&t, REFUSAL("413 Content Too Large", 21), CLOSES, 99991);
	ADD(&t, "POST / HTTP/1.1\r\n" HOST CHUNKED "\r\n1;");
	add_run(&t, 'x', HTTP_MAX_NOISE);
	check_long(&t, REFUSAL("431 Request Header Fields Too Large", 35), CLOSES, 1);
	free(t.at);
}

/* ---- large replies ----------------------------------------------------------------------------
 */

static size_t head_of_bytes(char *head, size_t size, uint64_t n)
{
	return (size_t)snprintf(head, size,
				"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
				"Content-Length: %lu\r\n\r\n",
				n);
}

/* Byte i of the body is byte i of the rows, wherever spans begin and end. */
static void check_bytes(const struct drive *d, uint64_t n)
{
	char head[200];
	size_t head_len = head_of_bytes(head, sizeof head, n);

	assert_int_equal(d->out_len, head_len + n);
	assert_memory_equal(d->out, head, head_len);
	for (uint64_t i = 0; i < n; i++)
		if (d->out[head_len + i] != ROW[i % 64])
			fail_msg("byte %lu of %lu is wrong", i, n);
}

static void test_bytes_of_every_size(void **state)
{
	static const uint64_t sizes[] = {
		1,	   63,	  64,	     65,	   8191,	 8192,	       8193,
		BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 8191, BLOCK + 8192, BLOCK + 8193, 2 * BLOCK,
		300000};
	static const size_t sends[] = {0, 1, 777, 8191, 8192, 8193, 65535};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (size_t k = 0; k < COUNT(sends); k++) {
			char in[100];
			struct drive d;

			drive_open(&d, START);
			d.send_most = sends[k];
			snprintf(in, sizeof in, "GET /bytes?n=%lu HTTP/1.1\r\n" HOST "\r\n",
				 sizes[i]);
			drive_feed(&d, in, strlen(in), 0, SIZE_MAX);
			check_bytes(&d, sizes[i]);
			assert_after(&d, STAYS);
			drive_close(&d);
		}
}

static void test_bytes_cut_at_every_byte(void **state)
{
	static const char in[] = GET("/bytes?n=9000");

	(void)state;
	for (size_t cut = 1; cut < 9200; cut++) {
		struct drive d;

		drive_open(&d, START);
		d.send_cut = cut;
		drive_feed(&d, in, strlen(in), 0, SIZE_MAX);
		check_bytes(&d, 9000);
		drive_close(&d);
	}
}

/* A small reply goes out in one piece, a large one never as a copy of itself. */
static void test_spans(void **state)
{
	static const struct {
		const char *in;
		unsigned spans;
	} cases[] = {{GET("/"), 1},
		     {GET("/db?ms=1"), 1},
		     {GET("/bytes?n=0"), 1},
		     {GET("/bytes?n=8192"), 1},
		     {GET("/bytes?n=8193"), 2},
		     {GET("/bytes?n=65536"), 2},
		     {GET("/bytes?n=65537"), 3}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct drive d;
		unsigned spans = 0;

		drive_open(&d, START);
		drive_recv(&d, cases[i].in, strlen(cases[i].in));
		for (; d.conn.want != WANT_RECV; drive_turn(&d))
			spans += d.conn.want == WANT_SEND;
		assert_int_equal(spans, cases[i].spans);
		drive_close(&d);
	}
}

static void test_a_gibibyte(void **state)
{
	static const char in[] = GET("/bytes?n=1073741824");
	char head[200], *rows = malloc(BLOCK);
	const char *span;
	struct drive d;
	uint64_t body = 0;
	size_t len;

	(void)state;
	assert_non_null(rows);
	for (size_t i = 0; i < BLOCK; i++)
		rows[i] = ROW[i % 64];
	drive_open(&d, START);
	drive_recv(&d, in, strlen(in));
	len = conn_data(&d.conn, &span);
	size_t head_len = head_of_bytes(head, sizeof head, 1 << 30);

	assert_true(len > head_len);
	assert_memory_equal(span, head, head_len);
	assert_memory_equal(span + head_len, rows, len - head_len);
	conn_sent(&d.conn, len, d.now);
	body = len - head_len;
	while (d.conn.want == WANT_SEND) {
		len = conn_data(&d.conn, &span);
		assert_in_range(len, 1, BLOCK - body % BLOCK);
		assert_memory_equal(span, rows + body % BLOCK, len);
		body += len;
		assert_true(body <= 1 << 30);
		conn_sent(&d.conn, len, d.now);
	}
	assert_int_equal(body, 1 << 30);
	assert_int_equal(d.conn.want, WANT_RECV);
	drive_close(&d);
	free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_request_line),
		cmocka_unit_test(test_long_head),
		cmocka_unit_test(test_long_body),
		cmocka_unit_test(test_bytes_of_every_size),
		cmocka_unit_test(test_bytes_cut_at_every_byte),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_a_gibibyte),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("connection core: limits", tests, NULL, NULL);
}
