/*
 * test_http_body.c - skipping a request body: Content-Length and chunked (RFC 9112 sections
 * 6, 7.1).
 *
 * Each case is run whole, cut in two at every byte, one byte at a time, and followed by a further
 * request of which not one byte may be taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct bytes {
	const char *at;
	size_t len;
};
#define B(string)                          \
	{                                  \
		string, sizeof(string) - 1 \
	}

static const struct http_request chunked = {.chunked = true};

/* Offers `first` bytes and then pieces of `step`, each a copy of its own size, until the body is
 * complete or refused or the bytes end. Returns the bytes used, or the refusal. */
static int skip_body(const struct http_request *req, struct bytes s, size_t first, size_t step,
		     bool *done)
{
	struct http_body body;
	size_t used = 0, piece = first;
	int n = 0;

	http_body_begin(&body, req);
	while (n >= 0 && used < s.len && !http_body_done(&body)) {
		char *copy;

		piece = piece < s.len - used ? piece : s.len - used;
		copy = malloc(piece > 0 ? piece : 1);
		assert_non_null(copy);
		memcpy(copy, s.at + used, piece);
		n = http_body_skip(&body, copy, piece);
		free(copy);
		if (n >= 0) {
			assert_true((size_t)n <= piece);
			assert_true((size_t)n == piece || http_body_done(&body));
			used += (size_t)n;
		}
		piece = step;
	}
	*done = http_body_done(&body);
	if (*done)
		assert_int_equal(http_body_skip(&body, "x", 1), 0);
	return n < 0 ? n : (int)used;
}

static void check(struct bytes s, const char *how, int got, int want)
{
	if (got != want) {
		fprintf(stderr, "# %s: got %d, want %d for \"", how, got, want);
		for (size_t i = 0; i < s.len && i < 200; i++)
			fprintf(stderr, s.at[i] >= 0x20 && s.at[i] < 0x7f ? "%c" : "\\x%02x",
				(unsigned char)s.at[i]);
		fprintf(stderr, "\"\n");
	}
	assert_int_equal(got, want);
}

/* `want`: the bytes of the body, or the refusal; `complete`: whether it ends there. */
static void check_every_way(const struct http_request *req, struct bytes s, int want, bool complete)
{
	bool done;

	for (size_t first = 0; first <= s.len; first++) {
		check(s, "in two", skip_body(req, s, first, s.len, &done), want);
		assert_int_equal(done, complete);
	}
	check(s, "one by one", skip_body(req, s, 1, 1, &done), want);
	assert_int_equal(done, complete);
	check(s, "three by three", skip_body(req, s, 3, 3, &done), want);
	assert_int_equal(done, complete);
}

static const struct bytes good[] = {
	B("0\r\n\r\n"),
	B("00000\r\n\r\n"),
	B("1\r\nx\r\n0\r\n\r\n"),
	B("a\r\n0123456789\r\n0\r\n\r\n"),
	B("A\r\n0123456789\r\n0\r\n\r\n"),
	B("000000000000000000000000a\r\n0123456789\r\n0\r\n\r\n"),
	B("1A\r\n0123456789abcdef0123456789\r\n0\r\n\r\n"),
	B("1\r\nx\r\n2\r\nyz\r\n3\r\nabc\r\n0\r\n\r\n"),
	/* data is anything */
	B("5\r\n\r\n0\r\n\r\n0\r\n\r\n"),
	B("4\r\n\0\xff\r\n\r\n0\r\n\r\n"),
	/* extensions */
	B("1;a\r\nx\r\n0;b\r\n\r\n"),
	B("1;a=b\r\nx\r\n0\r\n\r\n"),
	B("1;a=b;c;d=e\r\nx\r\n0\r\n\r\n"),
	B("1 \t; \ta \t= \tb ;\tc\r\nx\r\n0\r\n\r\n"),
	B("1;a ;b\r\nx\r\n0\r\n\r\n"),
	B("1;a=\"\"\r\nx\r\n0\r\n\r\n"),
	B("1;a=\"b c;d=e\tf,:\x80\"\r\nx\r\n0\r\n\r\n"),
	B("1;a=\"\\\"\\\\\\a\\ \"\r\nx\r\n0\r\n\r\n"),
	B("1;a=\"b\";c=\"d\" ;e\r\nx\r\n0\r\n\r\n"),
	B("1;!#$%&'*+-.^_`|~09azAZ=!#$%&'*+-.^_`|~09azAZ\r\nx\r\n0\r\n\r\n"),
	/* trailers: read and thrown away, whatever they say */
	B("0\r\nX: y\r\n\r\n"),
	B("0\r\nX:\r\nY:\t z \x80\r\nContent-Length: 5\r\n\r\n"),
	B("1\r\nx\r\n0;a=b\r\nX: y\r\n\r\n"),
};

static void test_good_chunks(void **state)
{
	static const char next[] = "5\r\nGET / HTTP/1.1\r\n\r\n";
	char more[256];
	bool done;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct bytes s = good[i], longer = {more, s.len + sizeof(next) - 1};

		assert_true(longer.len <= sizeof(more));
		memcpy(more, s.at, s.len);
		memcpy(more + s.len, next, sizeof(next) - 1);
		check_every_way(&chunked, s, (int)s.len, true);
		check_every_way(&chunked, longer, (int)s.len, true);
		for (size_t len = 0; len < s.len; len++) {
			struct bytes prefix = {s.at, len};

			check(prefix, "prefix", skip_body(&chunked, prefix, len, len, &done),
			      (int)len);
			assert_false(done);
		}
	}
}

/* The last byte of each is the first that cannot be right. */
static const struct bad {
	struct bytes bytes;
	int status;
} bad[] = {
	/* sizes */
	{B("\r"), 400},
	{B("\n"), 400},
	{B(" "), 400},
	{B(";"), 400},
	{B("-"), 400},
	{B("+"), 400},
	{B("g"), 400},
	{B("G"), 400},
	{B("0x"), 400},
	{B("1h"), 400},
	{B("1,"), 400},
	{B("1\n"), 400},
	{B("1\rx"), 400},
	{B("1\r\r"), 400},
	{B("1 \r"), 400},
	{B("1 1"), 400},
	{B("1\0"), 400},
	{B("1\x80"), 400},
	/* data */
	{B("1\r\nxy"), 400},
	{B("1\r\nx\n"), 400},
	{B("1\r\nx\rx"), 400},
	{B("1\r\nx\r\n\r"), 400},
	{B("1\r\nx\r\nX"), 400},
	{B("2\r\nx\r\n"), 400},
	/* extensions */
	{B("1;\r"), 400},
	{B("1;;"), 400},
	{B("1;="), 400},
	{B("1;\n"), 400},
	{B("1;a\n"), 400},
	{B("1;a\rx"), 400},
	{B("1;a\0"), 400},
	{B("1;a\x80"), 400},
	{B("1;a \r"), 400},
	{B("1;a b"), 400},
	{B("1;a=\r"), 400},
	{B("1;a=;"), 400},
	{B("1;a=="), 400},
	{B("1;a=b\n"), 400},
	{B("1;a=b="), 400},
	{B("1;a=b\""), 400},
	{B("1;a=b c"), 400},
	{B("1;a=b \r"), 400},
	{B("1;a=\"b\r"), 400},
	{B("1;a=\"b\n"), 400},
	{B("1;a=\"b\0"), 400},
	{B("1;a=\"b\x7f"), 400},
	{B("1;a=\"\\\r"), 400},
	{B("1;a=\"\\\x01"), 400},
	{B("1;a=\"b\"c"), 400},
	{B("1;a=\"b\"\""), 400},
	{B("1;a=\"b\"\n"), 400},
	/* trailers */
	{B("0\r\n\n"), 400},
	{B("0\r\n\rx"), 400},
	{B("0\r\n "), 400},
	{B("0\r\n:"), 400},
	{B("0\r\nX "), 400},
	{B("0\r\nX\r"), 400},
	{B("0\r\nX: a\n"), 400},
	{B("0\r\nX: a\rb"), 400},
	{B("0\r\nX: \0"), 400},
	{B("0\r\nX: \x7f"), 400},
	{B("0\r\nX: a\r\n "), 400},
	{B("0\r\n0\r"), 400},
	{B("0\r\nGET "), 400},
	/* sizes that are too large: at the digit that makes them so */
	{B("100001"), 413},
	{B("FFFFFF"), 413},
	{B("0000000000100001"), 413},
	{B("1\r\nx\r\n100000"), 413},
};

static void test_bad_chunks(void **state)
{
	bool done;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct bytes s = bad[i].bytes, before = {s.at, s.len - 1};

		check(before, "before it", skip_body(&chunked, before, 1, 1, &done),
		      (int)before.len);
		assert_false(done);
		check_every_way(&chunked, s, -bad[i].status, false);
	}
}

static void test_content_length(void **state)
{
	static const char data[] = "0123456789GET / HTTP/1.1";
	bool done;

	(void)state;
	for (unsigned length = 0; length <= 10; length++) {
		struct http_request req = {.content_length = length};
		struct bytes s = {data, sizeof(data) - 1};

		check_every_way(&req, s, (int)length, true);
		for (s.len = 0; s.len < length; s.len++) {
			check(s, "prefix", skip_body(&req, s, 1, 1, &done), (int)s.len);
			assert_false(done);
		}
	}
}

static void test_no_body_is_done_at_once(void **state)
{
	struct http_body body;

	(void)state;
	memset(&body, 0xa5, sizeof(body));
	http_body_begin(&body, &(struct http_request){.content_length = 0});
	assert_true(http_body_done(&body));
	assert_int_equal(http_body_skip(&body, "GET", 3), 0);
	assert_true(sizeof(body) <= 16);
}

/* ---- limits ---- */

struct text {
	char *at;
	size_t len, room;
};

static void add(struct text *t, const char *bytes, size_t len)
{
	if (t->room - t->len < len) {
		t->room = 2 * (t->len + len);
		t->at = realloc(t->at, t->room);
		assert_non_null(t->at);
	}
	memcpy(t->at + t->len, bytes, len);
	t->len += len;
}

static void add_run(struct text *t, char c, size_t count)
{
	while (count-- > 0)
		add(t, &c, 1);
}

#define ADD(t, string) add(t, string, strlen(string))

/* The answer to t, the same whole and in pieces; then t is empty again. */
static void check_text(struct text *t, int want, bool complete)
{
	struct bytes s = {t->at, t->len};
	bool done;

	for (size_t step = 1; step <= 7; step++) {
		check(s, "in pieces", skip_body(&chunked, s, step, step, &done), want);
		assert_int_equal(done, complete);
	}
	check(s, "whole", skip_body(&chunked, s, s.len, s.len, &done), want);
	assert_int_equal(done, complete);
	t->len = 0;
}

static void test_body_limit(void **state)
{
	struct text t = {0};

	(void)state;
	/* one chunk */
	ADD(&t, "100000\r\n");
	add_run(&t, 'x', HTTP_MAX_BODY);
	ADD(&t, "\r\n0\r\n\r\n");
	check_text(&t, (int)t.len, true);
	/* a byte more, in a further chunk: refused where its size says so */
	ADD(&t, "fffff\r\n");
	add_run(&t, 'x', 0xfffff);
	ADD(&t, "\r\n1\r\nx\r\n");
	ADD(&t, "0\r\n\r\n");
	check_text(&t, (int)t.len, true);
	ADD(&t, "fffff\r\n");
	add_run(&t, 'x', 0xfffff);
	ADD(&t, "\r\n2");
	check_text(&t, -413, false);
	free(t.at);
}

/* As many chunks as there are bytes: what frames them is no noise. */
static void test_small_chunks_are_no_offence(void **state)
{
	struct text t = {0};

	(void)state;
	for (int i = 0; i < HTTP_MAX_BODY / 16; i++)
		ADD(&t, "1\r\nx\r\n8;a=b\r\n01234567\r\n");
	ADD(&t, "0\r\n\r\n");
	check_text(&t, (int)t.len, true);
	free(t.at);
}

/* Leading zeros, extensions and trailers, in one piece or spread, end at the same limit. */
static void test_noise_limit(void **state)
{
	struct text t = {0};
	struct bytes s;
	bool done;

	(void)state;
	add_run(&t, '0', HTTP_MAX_NOISE);
	check_text(&t, HTTP_MAX_NOISE, false);
	add_run(&t, '0', HTTP_MAX_NOISE + 1);
	check_text(&t, -431, false);
	ADD(&t, "0;");
	add_run(&t, 'a', HTTP_MAX_NOISE - 6);
	ADD(&t, "\r\n\r\n");
	s = (struct bytes){t.at, t.len - 1};
	assert_int_equal(skip_body(&chunked, s, 1, 1, &done), HTTP_MAX_NOISE - 1);
	check_text(&t, HTTP_MAX_NOISE, true);
	ADD(&t, "0;a=\"");
	add_run(&t, ' ', HTTP_MAX_NOISE);
	check_text(&t, -431, false);
	ADD(&t, "0\r\n");
	for (int i = 0; i < HTTP_MAX_NOISE; i++)
		ADD(&t, "X: y\r\n");
	check_text(&t, -431, false);
	/* 100 bytes of it on each chunk */
	for (int i = 0; i < 200; i++) {
		ADD(&t, "1;");
		add_run(&t, 'a', 100);
		ADD(&t, "\r\nx\r\n");
	}
	check_text(&t, -431, false);
	/* and 64 such chunks pass: 64 * 106 is below the limit */
	for (int i = 0; i < 64; i++) {
		ADD(&t, "1;");
		add_run(&t, 'a', 100);
		ADD(&t, "\r\nx\r\n");
	}
	ADD(&t, "0\r\n\r\n");
	check_text(&t, (int)t.len, true);
	free(t.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_chunks),
		cmocka_unit_test(test_bad_chunks),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_no_body_is_done_at_once),
		cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_small_chunks_are_no_offence),
		cmocka_unit_test(test_noise_limit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("http body", tests, NULL, NULL);
}
