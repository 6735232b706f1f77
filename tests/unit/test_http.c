/*
 * test_http.c - the request head parser against RFC 9112, rule by rule.
 *
 * A case is a string and the answer it must get. Each is run whole, cut in two at every byte, one
 * byte and three bytes at a time, and followed by a further request; the answer must be the same
 * each time. Every offer is a copy of exactly its own size on the heap, so that a sanitizer sees
 * any byte read too many.
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

/* String literals of whole heads: as they are, with this request line, with these fields. */
#define B(string)                          \
	{                                  \
		string, sizeof(string) - 1 \
	}
#define HOST	      "Host: h\r\n"
#define LINE(line)    B(line "\r\n" HOST "\r\n")
#define FIELDS(lines) B("GET / HTTP/1.1\r\n" HOST lines "\r\n\r\n")
#define OLD(lines)    B("GET / HTTP/1.0\r\n" lines "\r\n\r\n")

static const char next_request[] = "GET /next HTTP/1.1\r\n" HOST "\r\n";

static void assert_inside(struct http_text span, const char *buf, int len)
{
	assert_true(span.at >= buf && span.at + span.len <= buf + len);
}

/* http_parse() on a copy of its own; the spans are moved back to buf. */
static int parse(const char *buf, size_t len, size_t already, struct http_request *req)
{
	char *copy = malloc(len > 0 ? len : 1);
	int result;

	assert_non_null(copy);
	memcpy(copy, buf, len);
	memset(req, 0xa5, sizeof(*req)); /* what is left unset will show */
	result = http_parse(copy, len, already, req);
	if (result > 0) {
		assert_true((size_t)result <= len);
		assert_inside(req->path, copy, result);
		assert_inside(req->query, copy, result);
		req->path.at = buf + (req->path.at - copy);
		req->query.at = buf + (req->query.at - copy);
	}
	free(copy);
	return result;
}

/* Offers the first `first` bytes, then `step` more at a time, until there is an answer. */
static int parse_growing(struct bytes s, size_t first, size_t step, struct http_request *req)
{
	size_t already = 0, len = first;
	int result;

	while ((result = parse(s.at, len, already, req)) == 0 && len < s.len) {
		already = len;
		len = s.len - len < step ? s.len : len + step;
	}
	return result;
}

static void assert_same_request(const struct http_request *a, const struct http_request *b)
{
	assert_ptr_equal(a->path.at, b->path.at);
	assert_int_equal(a->path.len, b->path.len);
	assert_ptr_equal(a->query.at, b->query.at);
	assert_int_equal(a->query.len, b->query.len);
	assert_int_equal(a->content_length, b->content_length);
	assert_int_equal(a->method, b->method);
	assert_int_equal(a->minor_version, b->minor_version);
	assert_int_equal(a->keep_alive, b->keep_alive);
	assert_int_equal(a->chunked, b->chunked);
	assert_int_equal(a->expect_continue, b->expect_continue);
}

static void print_case(struct bytes s, const char *how, int got, int want)
{
	fprintf(stderr, "# %s: got %d, want %d for \"", how, got, want);
	for (size_t i = 0; i < s.len && i < 200; i++) {
		if (s.at[i] >= 0x20 && s.at[i] < 0x7f)
			fputc(s.at[i], stderr);
		else
			fprintf(stderr, "\\x%02x", (unsigned char)s.at[i]);
	}
	fprintf(stderr, "\"\n");
}

static void check(struct bytes s, const char *how, int got, int want)
{
	if (got != want)
		print_case(s, how, got, want);
	assert_int_equal(got, want);
}

/* The head s must get the answer `want`, in whatever pieces it comes. */
static void check_every_way(struct bytes s, int want, struct http_request *req)
{
	struct http_request other;
	char *more = malloc(s.len + sizeof(next_request));

	check(s, "whole", parse(s.at, s.len, 0, req), want);
	for (size_t first = 0; first <= s.len; first++) {
		check(s, "in two", parse_growing(s, first, s.len, &other), want);
		if (want > 0)
			assert_same_request(&other, req);
	}
	check(s, "one by one", parse_growing(s, 1, 1, &other), want);
	check(s, "three by three", parse_growing(s, 1, 3, &other), want);

	assert_non_null(more);
	memcpy(more, s.at, s.len);
	memcpy(more + s.len, next_request, sizeof(next_request));
	check(s, "pipelined", parse(more, s.len + strlen(next_request), 0, &other), want);
	free(more);
}

/* ---- what is accepted, and what is understood of it ---- */

enum { CLOSES = 1, CHUNKED = 2, CONTINUE = 4, MINOR_0 = 8 };

static const struct good {
	struct bytes bytes;
	enum http_method method;
	const char *path, *query;
	uint64_t content_length;
	unsigned flags;
} good_lines[] = {
	/* methods: case matters, and any token is one */
	{LINE("GET / HTTP/1.1"), HTTP_GET, "/", "", 0, 0},
	{LINE("HEAD / HTTP/1.1"), HTTP_HEAD, "/", "", 0, 0},
	{LINE("POST / HTTP/1.1"), HTTP_OTHER, "/", "", 0, 0},
	{LINE("get / HTTP/1.1"), HTTP_OTHER, "/", "", 0, 0},
	{LINE("GE / HTTP/1.1"), HTTP_OTHER, "/", "", 0, 0},
	{LINE("GETS / HTTP/1.1"), HTTP_OTHER, "/", "", 0, 0},
	{LINE("HEADS / HTTP/1.1"), HTTP_OTHER, "/", "", 0, 0},
	{LINE("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1"), HTTP_OTHER, "/", "", 0, 0},
	/* one empty line before the request line */
	{LINE("\r\nGET / HTTP/1.1"), HTTP_GET, "/", "", 0, 0},
	/* origin-form */
	{LINE("GET /db?ms=10 HTTP/1.1"), HTTP_GET, "/db", "ms=10", 0, 0},
	{LINE("GET /db? HTTP/1.1"), HTTP_GET, "/db", "", 0, 0},
	{LINE("GET /a?b?c=/? HTTP/1.1"), HTTP_GET, "/a", "b?c=/?", 0, 0},
	{LINE("GET //a/../b//;x HTTP/1.1"), HTTP_GET, "//a/../b//;x", "", 0, 0},
	{LINE("GET /%41%fF?%2F%3f HTTP/1.1"), HTTP_GET, "/%41%fF", "%2F%3f", 0, 0},
	{LINE("GET /%3Fx HTTP/1.1"), HTTP_GET, "/%3Fx", "", 0, 0},
	{LINE("GET /http://a/b HTTP/1.1"), HTTP_GET, "/http://a/b", "", 0, 0},
	/* absolute-form */
	{LINE("GET http://example.com/db?ms=1 HTTP/1.1"), HTTP_GET, "/db", "ms=1", 0, 0},
	{LINE("GET HTTPS://example.com:443/x HTTP/1.1"), HTTP_GET, "/x", "", 0, 0},
	{LINE("HEAD hTTp://a HTTP/1.1"), HTTP_HEAD, "/", "", 0, 0},
	{LINE("GET http://a:80 HTTP/1.1"), HTTP_GET, "/", "", 0, 0},
	{LINE("GET http://a: HTTP/1.1"), HTTP_GET, "/", "", 0, 0},
	{LINE("GET http://a?ms=5 HTTP/1.1"), HTTP_GET, "/", "ms=5", 0, 0},
	{LINE("GET http://a?/b?c HTTP/1.1"), HTTP_GET, "/", "/b?c", 0, 0},
	{LINE("GET http://[::1]:8080/x HTTP/1.1"), HTTP_GET, "/x", "", 0, 0},
	{LINE("GET http://a%2Db/x HTTP/1.1"), HTTP_GET, "/x", "", 0, 0},
	{LINE("GET http://a/user@b HTTP/1.1"), HTTP_GET, "/user@b", "", 0, 0},
	{LINE("POST http://a/x HTTP/1.1"), HTTP_OTHER, "/x", "", 0, 0},
	/* asterisk-form and authority-form, each with its one method */
	{LINE("OPTIONS * HTTP/1.1"), HTTP_OTHER, "", "", 0, 0},
	{LINE("OPTIONS /x HTTP/1.1"), HTTP_OTHER, "/x", "", 0, 0},
	{LINE("CONNECT example.com:443 HTTP/1.1"), HTTP_OTHER, "", "", 0, 0},
	{LINE("CONNECT [2001:db8::1]:443 HTTP/1.1"), HTTP_OTHER, "", "", 0, 0},
	/* versions */
	{LINE("GET / HTTP/1.2"), HTTP_GET, "/", "", 0, 0},
	{LINE("GET / HTTP/1.9"), HTTP_GET, "/", "", 0, 0},
	{LINE("GET / HTTP/1.0"), HTTP_GET, "/", "", 0, CLOSES | MINOR_0},
	{B("GET / HTTP/1.0\r\n\r\n"), HTTP_GET, "/", "", 0, CLOSES | MINOR_0},
};

/* All "GET /", no query. */
static const struct good_fields {
	struct bytes bytes;
	uint64_t content_length;
	unsigned flags;
} good_fields[] = {
	/* blanks around values, empty values, names in any case, any token, obs-text */
	{FIELDS("X:"), 0, 0},
	{FIELDS("X: \t "), 0, 0},
	{FIELDS("X:a"), 0, 0},
	{FIELDS("!#$%&'*+-.^_`|~09azAZ: a b\tc: \"\\\x80\xff"), 0, 0},
	{FIELDS("Conten-Length: 5\r\nContent-Lengthy: 5\r\nContent_Length: 5"), 0, 0},
	{FIELDS("Hosts: a b\r\nHos: a b\r\nXost: a b"), 0, 0},
	/* Host */
	{B("GET / HTTP/1.1\r\nhOST:h\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nX: y\r\nHost: h\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: \t \r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: \t h \t\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: a-b.example.com:\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: a_b~!$&'()*+,;=\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: %e4%B8x:1\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:8080\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: [1111:2222:3333:4444:5555:6666:7777:8888]\r\n\r\n"), 0, 0},
	{B("GET / HTTP/1.1\r\nHost: [0000:0000:0000:0000:0000:ffff:255.255.255.255]\r\n\r\n"), 0,
	 0},
	/* Content-Length */
	{FIELDS("Content-Length: 0"), 0, 0},
	{FIELDS("content-LENGTH:5 "), 5, 0},
	{FIELDS("Content-Length: 00000000000000000000000000000005"), 5, 0},
	{FIELDS("Content-Length: 1048576"), 1048576, 0},
	{OLD("Content-Length: 7"), 7, CLOSES | MINOR_0},
	/* Transfer-Encoding */
	{FIELDS("Transfer-Encoding: chunked"), 0, CHUNKED},
	{FIELDS("transfer-ENCODING:\tChUnKeD\t"), 0, CHUNKED},
	{FIELDS("Transfer-Encoding: , chunked ,,"), 0, CHUNKED},
	{FIELDS("Transfer-Encoding:\r\nTransfer-Encoding: chunked"), 0, CHUNKED},
	{FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: ,"), 0, CHUNKED},
	/* Connection */
	{FIELDS("Connection: close"), 0, CLOSES},
	{FIELDS("connection: CLOSE"), 0, CLOSES},
	{FIELDS("Connection: keep-alive"), 0, 0},
	{FIELDS("Connection: closed, xclose, clos, \"close\""), 0, 0},
	{FIELDS("Connection: keep-alive, close"), 0, CLOSES},
	{FIELDS("Connection: close, keep-alive"), 0, CLOSES},
	{FIELDS("Connection: , TE ,\tClose\t, Upgrade,"), 0, CLOSES},
	{FIELDS("Connection: close\r\nConnection: keep-alive"), 0, CLOSES},
	{FIELDS("Connection: upgrade\r\nConnection: close"), 0, CLOSES},
	{OLD("Connection: keep-alive"), 0, MINOR_0},
	{OLD("Connection: x\r\nConnection: y, Keep-Alive"), 0, MINOR_0},
	{OLD("Connection: keep-alive, x"), 0, MINOR_0},
	{OLD("Connection: keep-alive, close"), 0, CLOSES | MINOR_0},
	{OLD("Connection: upgrade"), 0, CLOSES | MINOR_0},
	/* Expect */
	{FIELDS("Expect: 100-continue"), 0, CONTINUE},
	{FIELDS("eXPECT:100-CONTINUE\r\nContent-Length: 3"), 3, CONTINUE},
	{FIELDS("Expect: 100-continue, 100-continue"), 0, CONTINUE},
	{FIELDS("Expect:"), 0, 0},
	{OLD("Expect: 100-continue"), 0, CLOSES | MINOR_0},
	{OLD("Expect: tea"), 0, CLOSES | MINOR_0},
};

static void assert_text(struct http_text got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.at, want, got.len);
}

static void check_good(const struct good *want)
{
	struct http_request req;

	check_every_way(want->bytes, (int)want->bytes.len, &req);
	assert_int_equal(req.method, want->method);
	assert_text(req.path, want->path);
	assert_text(req.query, want->query);
	assert_int_equal(req.content_length, want->content_length);
	assert_int_equal(req.minor_version, want->flags & MINOR_0 ? 0 : 1);
	assert_int_equal(req.keep_alive, !(want->flags & CLOSES));
	assert_int_equal(req.chunked, !!(want->flags & CHUNKED));
	assert_int_equal(req.expect_continue, !!(want->flags & CONTINUE));
	for (size_t len = 0; len < want->bytes.len; len++)
		check(want->bytes, "prefix", parse(want->bytes.at, len, 0, &req), 0);
}

static void test_good_request_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_lines); i++)
		check_good(&good_lines[i]);
}

static void test_good_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_fields); i++) {
		const struct good_fields *f = &good_fields[i];

		check_good(
			&(struct good){f->bytes, HTTP_GET, "/", "", f->content_length, f->flags});
	}
}

/* ---- what is refused ---- */

static const struct bad {
	struct bytes bytes;
	int status;
} bad[] = {
	/* before the request line: at most one empty line, and that a whole one */
	{B("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
	{B("\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
	{B("\rGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
	{LINE(" GET / HTTP/1.1"), 400},
	/* method */
	{LINE(" / HTTP/1.1"), 400},
	{LINE("G@T / HTTP/1.1"), 400},
	{LINE("GET: / HTTP/1.1"), 400},
	{LINE("G\0T / HTTP/1.1"), 400},
	{LINE("G\xc3\x84T / HTTP/1.1"), 400},
	{LINE("GET"), 400},
	/* exactly one space between the parts, none behind */
	{LINE("GET  / HTTP/1.1"), 400},
	{LINE("GET /  HTTP/1.1"), 400},
	{LINE("GET\t/ HTTP/1.1"), 400},
	{LINE("GET /\tHTTP/1.1"), 400},
	{LINE("GET / HTTP/1.1 "), 400},
	{LINE("GET / a HTTP/1.1"), 400},
	{LINE("GET HTTP/1.1"), 400},
	{LINE("GET  HTTP/1.1"), 400},
	/* target */
	{LINE("GET db HTTP/1.1"), 400},
	{LINE("GET ?a HTTP/1.1"), 400},
	{LINE("GET * HTTP/1.1"), 400},
	{LINE("POST * HTTP/1.1"), 400},
	{LINE("options * HTTP/1.1"), 400},
	{LINE("OPTIONS ** HTTP/1.1"), 400},
	{LINE("OPTIONS *?a HTTP/1.1"), 400},
	{LINE("GET a:80 HTTP/1.1"), 400},
	{LINE("GET h:80 HTTP/1.1"), 400},
	{LINE("CONNECT / HTTP/1.1"), 400},
	{LINE("CONNECT a HTTP/1.1"), 400},
	{LINE("CONNECT a: HTTP/1.1"), 400},
	{LINE("CONNECT :80 HTTP/1.1"), 400},
	{LINE("CONNECT a:80/ HTTP/1.1"), 400},
	{LINE("CONNECT a:80?b HTTP/1.1"), 400},
	{LINE("CONNECT http://a:80/ HTTP/1.1"), 400},
	{LINE("GET /a#b HTTP/1.1"), 400},
	{LINE("GET /?a#b HTTP/1.1"), 400},
	{LINE("GET /\x7f HTTP/1.1"), 400},
	{LINE("GET /\x80 HTTP/1.1"), 400},
	{LINE("GET /\xc3\xa4 HTTP/1.1"), 400},
	{LINE("GET /\0 HTTP/1.1"), 400},
	{LINE("GET /% HTTP/1.1"), 400},
	{LINE("GET /%4 HTTP/1.1"), 400},
	{LINE("GET /%4g HTTP/1.1"), 400},
	{LINE("GET /%g4 HTTP/1.1"), 400},
	{LINE("GET /%%41 HTTP/1.1"), 400},
	{LINE("GET /?%4 HTTP/1.1"), 400},
	/* absolute-form */
	{LINE("GET ftp://a/ HTTP/1.1"), 400},
	{LINE("GET httpx://a/ HTTP/1.1"), 400},
	{LINE("GET httpss://a/ HTTP/1.1"), 400},
	{LINE("GET http:/a HTTP/1.1"), 400},
	{LINE("GET http:a HTTP/1.1"), 400},
	{LINE("GET http\x1a//a HTTP/1.1"), 400}, /* ":" less one bit */
	{LINE("GET http:// HTTP/1.1"), 400},
	{LINE("GET http:///x HTTP/1.1"), 400},
	{LINE("GET http://?x HTTP/1.1"), 400},
	{LINE("GET http://:80/ HTTP/1.1"), 400},
	{LINE("GET http://u@a/ HTTP/1.1"), 400},
	{LINE("GET http://u:p@a/ HTTP/1.1"), 400},
	{LINE("GET http://@a/ HTTP/1.1"), 400},
	{LINE("GET http://a:8x/ HTTP/1.1"), 400},
	{LINE("GET http://a:80:80/ HTTP/1.1"), 400},
	{LINE("GET http://a\\b/ HTTP/1.1"), 400},
	{LINE("GET http://a%4/ HTTP/1.1"), 400},
	{LINE("GET http://a%/ HTTP/1.1"), 400},
	{LINE("GET http://[::1/ HTTP/1.1"), 400},
	{LINE("GET http://a#b HTTP/1.1"), 400},
	{LINE("GET http://a/#b HTTP/1.1"), 400},
	/* version */
	{LINE("GET /"), 400},
	{LINE("GET / "), 400},
	{LINE("GET / http/1.1"), 400},
	{LINE("GET / Http/1.1"), 400},
	{LINE("GET / HTTP/1"), 400},
	{LINE("GET / HTTP/1."), 400},
	{LINE("GET / HTTP/.1"), 400},
	{LINE("GET / HTTP/1,1"), 400},
	{LINE("GET / HTTP/1.10"), 400},
	{LINE("GET / HTTP/01.1"), 400},
	{LINE("GET / HTTP/1.x"), 400},
	{LINE("GET / HTTP/x.1"), 400},
	{LINE("GET / HTTP 1.1"), 400},
	{LINE("GET / HTTPS/1.1"), 400},
	{LINE("GET / ICY/1.1"), 400},
	{LINE("GET / HTTP/2.0x"), 400},
	{LINE("GET / HTTP/22.0"), 400},
	{LINE("GET / HTTP/2.0"), 505},
	{LINE("GET / HTTP/0.9"), 505},
	{LINE("GET / HTTP/3.1"), 505},
	{LINE("GET / HTTP/9.9"), 505},
	{B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400},
	/* line ends */
	{B("GET / HTTP/1.1\n" HOST "\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: h\r\n\n"), 400},
	{B("GET / HTTP/1.1\n\n"), 400},
	{B("GET / HTTP/1.1\r\r\n" HOST "\r\n"), 400},
	{B("GET / HTTP/1.1\rHost: h\r\n\r\n"), 400},
	{FIELDS("X: a\rb"), 400},
	{FIELDS("X: a\nb"), 400},
	{FIELDS("X: a\r\r\nY: b"), 400},
	{FIELDS("X: a\rY: b"), 400},
	{B("GET / HTTP/1.1\r\n" HOST "\rX: y\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\n" HOST "\r\rX: y\r\n\r\n"), 400},
	/* field names */
	{FIELDS("X"), 400},
	{FIELDS(": a"), 400},
	{FIELDS("X : a"), 400},
	{FIELDS("X\t: a"), 400},
	{FIELDS("X Y: a"), 400},
	{FIELDS("X(: a"), 400},
	{FIELDS("X\0: a"), 400},
	{FIELDS("\xc3\x84: a"), 400},
	{FIELDS("\"X\": a"), 400},
	{FIELDS("Content-Length : 5"), 400},
	{FIELDS("Transfer-Encoding : chunked"), 400},
	/* obs-fold, and a blank before the first field (RFC 9112 section 2.2) */
	{FIELDS("X: a\r\n b"), 400},
	{FIELDS("X: a\r\n\tb: c"), 400},
	{FIELDS("X: a\r\n "), 400},
	{B("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\n \r\n" HOST "\r\n"), 400},
	/* field values */
	{FIELDS("X: a\0b"), 400},
	{FIELDS("X: \x01"), 400},
	{FIELDS("X: a\x0b"), 400},
	{FIELDS("X: \x1b[31m"), 400},
	{FIELDS("X: a\x7f"), 400},
	/* Host */
	{B("GET / HTTP/1.1\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nX: y\r\n\r\n"), 400},
	{B("GET http://h/ HTTP/1.1\r\n\r\n"), 400},
	{FIELDS("Host: h"), 400},
	{FIELDS("HOST: other"), 400},
	{FIELDS("Host:"), 400},
	{OLD("Host: h\r\nHost: h"), 400},
	{OLD("Host: a b"), 400},
	{B("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a:80 b\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a%4\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a%z4\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: a%4z\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: []\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [::1]]\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [fe80::1%25lo]\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [127.0.0.1]\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nHost: [0000:0000:0000:0000:0000:ffff:255.255.255.2555]\r\n\r\n"),
	 400},
	{B("GET / HTTP/1.1\r\nHost: [0000:0000:0000:0000:0000:ffff:255.255.255.25555]\r\n\r\n"),
	 400},
	{B("GET / HTTP/1.1\r\nHost: x[::1]\r\n\r\n"), 400},
	/* Content-Length */
	{FIELDS("Content-Length:"), 400},
	{FIELDS("Content-Length: +5"), 400},
	{FIELDS("Content-Length: -5"), 400},
	{FIELDS("Content-Length: 0x5"), 400},
	{FIELDS("Content-Length: 5 5"), 400},
	{FIELDS("Content-Length: 5, 5"), 400},
	{FIELDS("Content-Length: 5,"), 400},
	{FIELDS("Content-Length: 5.0"), 400},
	{FIELDS("Content-Length: \"5\""), 400},
	{FIELDS("Content-Length: 5\r\nContent-Length: 5"), 400},
	{FIELDS("Content-Length: 5\r\ncontent-length: 6"), 400},
	{OLD("Content-Length: 5\r\nContent-Length: 5"), 400},
	{FIELDS("Content-Length: 1048577"), 413},
	{FIELDS("Content-Length: 10485760"), 413},
	{FIELDS("Content-Length: 4294967296"), 413},
	{FIELDS("Content-Length: 4294967301"), 413},
	{FIELDS("Content-Length: 18446744073709551616"), 413},
	{FIELDS("Content-Length: 18446744073709551621"), 413},
	{FIELDS("Content-Length: 99999999999999999999999999999999999999999"), 413},
	{OLD("Content-Length: 1048577"), 413},
	/* Transfer-Encoding */
	{FIELDS("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
	{FIELDS("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
	{FIELDS("Content-Length: 0\r\nTransfer-Encoding: chunked"), 400},
	{FIELDS("Content-Length: 5\r\nTransfer-Encoding:"), 400},
	{FIELDS("Content-Length: 5\r\nTransfer-Encoding: gzip, chunked"), 400},
	{FIELDS("Content-Length: 9999999\r\nTransfer-Encoding: chunked"), 400},
	{OLD("Transfer-Encoding: chunked"), 400},
	{OLD("Host: h\r\nTransfer-Encoding: gzip, chunked"), 400},
	{FIELDS("Transfer-Encoding:"), 400},
	{FIELDS("Transfer-Encoding: , ,"), 400},
	{FIELDS("Transfer-Encoding: gzip"), 400},
	{FIELDS("Transfer-Encoding: identity"), 400},
	{FIELDS("Transfer-Encoding: xchunked"), 400},
	{FIELDS("Transfer-Encoding: chunkedx"), 400},
	{FIELDS("Transfer-Encoding: chunke"), 400},
	{FIELDS("Transfer-Encoding: chun ked"), 400},
	{FIELDS("Transfer-Encoding: chunked;q=1"), 400},
	{FIELDS("Transfer-Encoding: \"chunked\""), 400},
	{FIELDS("Transfer-Encoding: \x0b"
		"chunked"),
	 400},
	{FIELDS("Transfer-Encoding: chunked\x80"), 400},
	{FIELDS("Transfer-Encoding: chunked, gzip"), 400},
	{FIELDS("Transfer-Encoding: chunked, identity"), 400},
	{FIELDS("Transfer-Encoding: chunked, chunked"), 400},
	{FIELDS("Transfer-Encoding: gzip, chunked, chunked"), 400},
	{FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
	{FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip"), 400},
	{FIELDS("Transfer-Encoding: chunked\r\n\tX: y"), 400},
	{FIELDS("Transfer-Encoding: gzip, chunked"), 501},
	{FIELDS("Transfer-Encoding: gzip;a=b, deflate, Chunked"), 501},
	{FIELDS("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), 501},
	/* Expect */
	{FIELDS("Expect: tea"), 417},
	{FIELDS("Expect: 100-continue, tea"), 417},
	{FIELDS("Expect: tea\r\nExpect: 100-continue"), 417},
	{FIELDS("Expect: 100-continued"), 417},
	{FIELDS("Expect: 100-continue;q=1"), 417},
	{FIELDS("Expect: 100-\x03ontinue"), 400},
	/* a malformed head comes before one that is merely unwelcome, in whatever order they stand
	 */
	{B("GET / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"), 400},
	{B("GET / HTTP/1.1\r\nExpect: tea\r\n\r\n"), 400},
	{FIELDS("Content-Length: 9999999\r\nX : y"), 400},
	{FIELDS("Expect: tea\r\nX: \x01"), 400},
	{FIELDS("Transfer-Encoding: gzip, chunked\r\nContent-Length: 5, 5"), 400},
	{FIELDS("Expect: tea\r\nContent-Length: 9999999"), 413},
	{FIELDS("Expect: tea\r\nTransfer-Encoding: gzip, chunked"), 501},
};

static void test_bad_heads(void **state)
{
	struct http_request req;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check_every_way(bad[i].bytes, -bad[i].status, &req);
}

/* The last byte of each is the first that cannot be right: refused there, not before, not later. */
static const struct bad early[] = {
	{B("\x16"), 400}, /* a TLS hello */
	{B("\0"), 400},
	{B(" "), 400},
	{B("\n"), 400},
	{B("\rG"), 400},
	{B("\r\n\r"), 400},
	{B("SSH-2.0-x\r"), 400},
	{B("G("), 400},
	{B("GET  "), 400},
	{B("GET x"), 400},
	{B("GET hx"), 400},
	{B("GET httpx"), 400},
	{B("GET https:/x"), 400},
	{B("GET http://u@a/"), 400},
	{B("GET /#"), 400},
	{B("GET /%x"), 400},
	{B("GET /%1x"), 400},
	{B("GET / X"), 400},
	{B("GET / HTTP/1.1x"), 400},
	{B("GET / HTTP/1.1\n"), 400},
	{B("GET / HTTP/2.0\r\n"), 505},
	{B("GET / HTTP/1.1\r\n "), 400},
	{B("GET / HTTP/1.1\r\n:"), 400},
	{B("GET / HTTP/1.1\r\nX "), 400},
	{B("GET / HTTP/1.1\r\nX:\0"), 400},
	{B("GET / HTTP/1.1\r\nX: a\n"), 400},
	{B("GET / HTTP/1.1\r\nX: a\rb"), 400},
	{B("GET / HTTP/1.1\r\nHost: a b\r\n"), 400},
	{B("GET / HTTP/1.1\r\nContent-Length: x\r\n"), 400},
	{B("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, x\r\n"), 400},
	{B("GET / HTTP/1.1\r\n" HOST "\rx"), 400},
};

static void test_refused_at_the_first_wrong_byte(void **state)
{
	struct http_request req;

	(void)state;
	for (size_t i = 0; i < COUNT(early); i++) {
		struct bytes s = early[i].bytes;

		for (size_t len = 0; len < s.len; len++)
			check(s, "before it", parse(s.at, len, 0, &req), 0);
		check(s, "at it", parse(s.at, s.len, 0, &req), -early[i].status);
	}
}

/* ---- each byte in each place, against the RFCs' own sets ---- */

#define ALPHANUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool in_set(int c, const char *set)
{
	return c != 0 && strchr(set, c);
}

static bool is_tchar(int c)
{
	return in_set(c, "!#$%&'*+-.^_`|~" ALPHANUM);
}

/* "%" needs two digits after it, which none of the heads below has. */
static bool is_target_char(int c)
{
	return c >= 0x21 && c <= 0x7e && c != '#' && c != '%';
}

static bool is_name_char(int c) /* ":" ends the name, and what follows is a value */
{
	return is_tchar(c) || c == ':';
}

static bool is_value_char(int c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool is_host_char(int c)
{
	return in_set(c, "-._~!$&'()*+,;=" ALPHANUM);
}

static const struct place {
	const char *before, *after;
	bool (*allowed)(int c);
} places[] = {
	{"G", "T / HTTP/1.1\r\n" HOST "\r\n", is_tchar},
	{"GET /a", "x HTTP/1.1\r\n" HOST "\r\n", is_target_char},
	{"GET /?a", "x HTTP/1.1\r\n" HOST "\r\n", is_target_char},
	{"GET / HTTP/1.1\r\n" HOST "X", "Y: z\r\n\r\n", is_name_char},
	{"GET / HTTP/1.1\r\n" HOST "X: y", "z\r\n\r\n", is_value_char},
	{"GET / HTTP/1.1\r\n" HOST "X: y", "\r\n\r\n", is_value_char},
	{"GET / HTTP/1.1\r\nHost: x", "y\r\n\r\n", is_host_char},
};

static void test_every_byte_in_every_place(void **state)
{
	struct http_request req;
	char buf[256];

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		for (int c = 0; c < 256; c++) {
			int len = snprintf(buf, sizeof(buf), "%s?%s", places[i].before,
					   places[i].after);
			struct bytes s = {buf, (size_t)len};

			buf[strlen(places[i].before)] = (char)c;
			check_every_way(s, places[i].allowed(c) ? len : -400, &req);
		}
	}
}

/* A good head with one byte replaced, by every byte at every place: whatever the answer is, it does
 * not depend on the pieces. (The line end behind it makes sure that there is an answer.) */
static void test_one_byte_replaced(void **state)
{
	static const char origin[] = "\r\nGET http://h:80/a%20?b HTTP/1.1\r\nHost: [::1]:80\r\n"
				     "Content-Length: 10\r\nConnection: close, x\r\n"
				     "Expect: 100-continue\r\n\r\n\r\n";
	char buf[sizeof(origin)];
	struct bytes s = {buf, sizeof(origin) - 1};
	struct http_request req, other;
	unsigned refused = 0, accepted = 0;

	(void)state;
	for (size_t at = 0; at < s.len; at++) {
		for (int c = 0; c < 256; c++) {
			int want;

			memcpy(buf, origin, sizeof(origin));
			buf[at] = (char)c;
			want = parse(s.at, s.len, 0, &req);
			check(s, "one by one", parse_growing(s, 1, 1, &other), want);
			if (want > 0)
				assert_same_request(&req, &other);
			refused += want < 0;
			accepted += want > 0;
		}
	}
	assert_true(refused > 0 && accepted > 0);
}

/* ---- limits ---- */

static char big[2 * HTTP_MAX_HEAD];

static size_t put(size_t at, const char *text)
{
	memcpy(big + at, text, strlen(text));
	return at + strlen(text);
}

static size_t put_run(size_t at, char c, size_t count)
{
	memset(big + at, c, count);
	return at + count;
}

/* The big ones are too big to be cut at every byte: cut around the limit, and one byte at a time.
 */
static void check_big(size_t len, size_t limit, int want)
{
	struct bytes s = {big, len};
	struct http_request req;

	check(s, "whole", parse(big, len, 0, &req), want);
	for (size_t first = limit - 20; first < limit + 20 && first < len; first++)
		check(s, "in two", parse_growing(s, first, len, &req), want);
	check(s, "one by one", parse_growing(s, 1, 1, &req), want);
	check(s, "1000 by 1000", parse_growing(s, 1, 1000, &req), want);
}

/* A head whose request line, without its CRLF, is `length` bytes long. */
static size_t put_request_line(size_t at, const char *target, size_t length)
{
	size_t start = at;

	at = put(at, "GET ");
	at = put(at, target);
	at = put_run(at, 'a', length - (at - start) - strlen(" HTTP/1.1"));
	return put(at, " HTTP/1.1\r\n" HOST "\r\n");
}

static void test_request_line_limit(void **state)
{
	static const char *const targets[] = {"/", "/?", "http://h/", "http://"};
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		for (size_t empty_line = 0; empty_line <= 2; empty_line += 2) {
			put(0, "\r\n");
			len = put_request_line(empty_line, targets[i], HTTP_MAX_LINE);
			check_big(len, HTTP_MAX_LINE, (int)len);
			len = put_request_line(empty_line, targets[i], HTTP_MAX_LINE + 1);
			check_big(len, HTTP_MAX_LINE, -414);
		}
	}
	/* the method counts as well */
	len = put(put_run(0, 'A', HTTP_MAX_LINE - 11), " / HTTP/1.1\r\n" HOST "\r\n");
	check_big(len, HTTP_MAX_LINE, (int)len);
	len = put(put_run(0, 'A', HTTP_MAX_LINE - 10), " / HTTP/1.1\r\n" HOST "\r\n");
	check_big(len, HTTP_MAX_LINE, -414);
}

/* No line end needs to come for the refusal; but a line that is wrong before it is too long is
 * wrong. */
static void test_request_line_that_never_ends(void **state)
{
	static const char *const beginnings[] = {"GET /", "\r\nGET /"};
	struct http_request req;

	(void)state;
	for (size_t i = 0; i < COUNT(beginnings); i++) {
		size_t len = put(0, beginnings[i]);
		int result = 0;

		put_run(len, 'a', sizeof(big) - len);
		for (len = 1; result == 0 && len < sizeof(big); len++)
			result = http_parse(big, len, len - 1, &req);
		assert_int_equal(result, -414);
		assert_in_range(len - 1, HTTP_MAX_LINE + 1, HTTP_MAX_LINE + 4);
		assert_int_equal(parse(big, HTTP_MAX_HEAD, 0, &req), -414);
		assert_int_equal(parse(big, HTTP_MAX_HEAD, HTTP_MAX_HEAD, &req), -414);
		assert_int_equal(parse(big, sizeof(big), 0, &req), -414);
		big[100] = '\x01';
		assert_int_equal(parse(big, sizeof(big), 0, &req), -400);
	}
}

/* A head of `length` bytes with a filler of one field, or of as many as may be. */
static size_t put_head(size_t length, size_t fields)
{
	size_t at = put(0, "GET / HTTP/1.1\r\n" HOST);

	for (size_t i = 1; i < fields; i++)
		at = put(at, "X: y\r\n");
	at = put(at, "Filler: ");
	at = put_run(at, 'f', length - at - 4);
	return put(at, "\r\n\r\n");
}

static void test_head_limit(void **state)
{
	struct http_request req;
	size_t len;

	(void)state;
	for (size_t fields = 1; fields < HTTP_MAX_FIELDS; fields += HTTP_MAX_FIELDS - 2) {
		len = put_head(HTTP_MAX_HEAD, fields);
		assert_int_equal(len, HTTP_MAX_HEAD);
		check_big(len, HTTP_MAX_HEAD, (int)len);
		assert_int_equal(parse(big, len - 1, 0, &req), 0);
		put(len, next_request);
		assert_int_equal(parse(big, len + strlen(next_request), 0, &req), len);

		len = put_head(HTTP_MAX_HEAD + 1, fields);
		check_big(len, HTTP_MAX_HEAD, -431);
		assert_int_equal(parse(big, HTTP_MAX_HEAD, 0, &req), -431);
		assert_int_equal(parse(big, HTTP_MAX_HEAD, HTTP_MAX_HEAD - 1, &req), -431);
		assert_int_equal(parse(big, HTTP_MAX_HEAD, HTTP_MAX_HEAD, &req), -431);
		assert_int_equal(parse(big, HTTP_MAX_HEAD - 1, 0, &req), 0);
	}
}

static void test_fields_limit(void **state)
{
	size_t len = put(0, "GET / HTTP/1.1\r\n" HOST), full;

	(void)state;
	for (int i = 1; i < HTTP_MAX_FIELDS; i++)
		len = put(len, "X: y\r\n");
	full = put(len, "\r\n");
	check_big(full, len, (int)full);
	full = put(put(len, "X: y\r\n"), "\r\n");
	check_big(full, len, -431);
}

/* ---- already ---- */

/* What was read before is not read again until a line ends: shown by breaking it in between. */
static void test_a_trickle_is_read_once_a_line(void **state)
{
	static const char origin[] = "GET / HTTP/1.1\r\nHost: h\r\nX: 0123456789\r\n\r\n";
	char buf[sizeof(origin)];
	struct http_request req;
	size_t third = strlen("GET / HTTP/1.1\r\nHost: h\r\n");

	(void)state;
	memcpy(buf, origin, sizeof(buf));
	assert_int_equal(parse(buf, third, 0, &req), 0);
	buf[0] = '\0';
	for (size_t len = third + 1; buf[len - 1] != '\n'; len++)
		assert_int_equal(parse(buf, len, len - 1, &req), 0);
	assert_int_equal(parse(buf, third + 1, third + 1, &req), 0);
	assert_int_equal(parse(buf, third + strlen("X: 0123456789\r\n"), third, &req), -400);
	assert_int_equal(parse(buf, third, 0, &req), -400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_request_lines),
		cmocka_unit_test(test_good_fields),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_refused_at_the_first_wrong_byte),
		cmocka_unit_test(test_every_byte_in_every_place),
		cmocka_unit_test(test_one_byte_replaced),
		cmocka_unit_test(test_request_line_limit),
		cmocka_unit_test(test_request_line_that_never_ends),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_fields_limit),
		cmocka_unit_test(test_a_trickle_is_read_once_a_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("http head", tests, NULL, NULL);
}
