/*
 * fuzz_http.c - libFuzzer target for the parser: whatever the bytes, a promise of http.h holds or
 * the process aborts.
 *
 * The first byte of the input seeds the way it is cut; the others are parsed as a head, and
 * what is behind the head as its body (or, where there is no head, all of them as a chunked body).
 * Every piece is offered as a heap block of its own size, for the address sanitizer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

#define REQUIRE(promise)                                                                \
	do {                                                                            \
		if (!(promise)) {                                                       \
			fprintf(stderr, "broken at line %d: %s\n", __LINE__, #promise); \
			abort();                                                        \
		}                                                                       \
	} while (0)

enum { ALL_PREFIXES_UP_TO = 600 }; /* their cost is the square of it */

static uint32_t cut_state;

/* The length of the next piece: 1 ... most. */
static size_t next_cut(size_t most)
{
	cut_state = cut_state * 1103515245 + 12345;
	return 1 + (cut_state >> 16) % most;
}

static char *copy_of(const char *bytes, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	REQUIRE(copy);
	memcpy(copy, bytes, len);
	return copy;
}

static bool inside(struct http_text t, const char *buf, size_t len)
{
	return t.at >= buf && t.len <= len && (size_t)(t.at - buf) <= len - t.len;
}

static void check_request(const struct http_request *req, const char *buf, size_t len)
{
	REQUIRE(inside(req->path, buf, len));
	REQUIRE(inside(req->query, buf, len));
	REQUIRE(req->path.len > 0 ? req->path.at[0] == '/' : req->method == HTTP_OTHER);
	REQUIRE(!memchr(req->path.at, '?', req->path.len));
	REQUIRE(req->content_length <= HTTP_MAX_BODY);
	REQUIRE(!req->chunked || (req->content_length == 0 && req->minor_version == 1));
	REQUIRE(req->minor_version == 0 || req->minor_version == 1);
	REQUIRE(!req->expect_continue || req->minor_version == 1);
	REQUIRE(len >= 4 && memcmp(buf + len - 4, "\r\n\r\n", 4) == 0);
}

static bool same_request(const struct http_request *a, const char *a_buf,
			 const struct http_request *b, const char *b_buf)
{
	return a->path.at - a_buf == b->path.at - b_buf && a->path.len == b->path.len &&
	       a->query.at - a_buf == b->query.at - b_buf && a->query.len == b->query.len &&
	       a->content_length == b->content_length && a->method == b->method &&
	       a->minor_version == b->minor_version && a->keep_alive == b->keep_alive &&
	       a->chunked == b->chunked && a->expect_continue == b->expect_continue;
}

static int parse_copy(const char *buf, size_t len, size_t already, const struct http_request *want)
{
	struct http_request req;
	char *copy = copy_of(buf, len);
	int result = http_parse(copy, len, already, &req);

	REQUIRE(result <= (int)len);
	if (result > 0) {
		check_request(&req, copy, (size_t)result);
		REQUIRE(!want || same_request(&req, copy, want, buf));
	}
	free(copy);
	return result;
}

/* Once there is an answer it stays, and without cuts it never comes late: each prefix read afresh.
 */
static void check_prefixes(const char *buf, size_t len, int whole, const struct http_request *req)
{
	int last = 0;

	for (size_t n = 0; n <= len; n++) {
		int result = parse_copy(buf, n, 0, req);

		REQUIRE(last == 0 || result == last);
		REQUIRE(result <= 0 || (size_t)result == n || last != 0);
		last = result;
	}
	REQUIRE(last == whole);
}

/* In pieces, each read with what was read before: the same, but a refusal may wait for a line end.
 */
static void check_pieces(const char *buf, size_t len, size_t most, int whole,
			 const struct http_request *req)
{
	size_t at = 0, already = 0, line_end = len;
	int result = 0;

	while (result == 0 && at < len) {
		already = at;
		at += next_cut(most < len - at ? most : len - at);
		result = parse_copy(buf, at, already, req);
	}
	if (result == whole)
		return;
	REQUIRE(result == 0 && whole < 0);
	while (line_end > 0 && buf[line_end - 1] != '\n')
		line_end--;
	REQUIRE(parse_copy(buf, line_end, 0, NULL) == 0);
	REQUIRE(len < HTTP_MAX_HEAD);
}

struct skipped {
	int result; /* bytes used, or the refusal */
	struct http_body body;
};

static struct skipped skip_pieces(const struct http_request *req, const char *buf, size_t len,
				  size_t most)
{
	struct skipped s;
	size_t at = 0, piece;
	int used;
	char *copy;

	http_body_begin(&s.body, req);
	while (at < len && !http_body_done(&s.body)) {
		piece = next_cut(most < len - at ? most : len - at);
		copy = copy_of(buf + at, piece);
		used = http_body_skip(&s.body, copy, piece);
		free(copy);
		if (used < 0) {
			s.result = used;
			return s;
		}
		REQUIRE((size_t)used <= piece);
		REQUIRE((size_t)used == piece || http_body_done(&s.body));
		REQUIRE(s.body.total <= HTTP_MAX_BODY && s.body.left <= HTTP_MAX_BODY);
		REQUIRE(s.body.noise <= HTTP_MAX_NOISE);
		at += (size_t)used;
	}
	s.result = (int)at;
	return s;
}

static void check_body(const struct http_request *req, const char *buf, size_t len)
{
	struct skipped one = skip_pieces(req, buf, len, 1), some = skip_pieces(req, buf, len, 40),
		       whole = {0};

	http_body_begin(&whole.body, req);
	whole.result = http_body_skip(&whole.body, buf, len);
	REQUIRE(whole.result == one.result && whole.result == some.result);
	REQUIRE(whole.result == -400 || whole.result == -413 || whole.result == -431 ||
		(whole.result >= 0 && (size_t)whole.result <= len));
	if (whole.result < 0)
		return;
	REQUIRE(whole.body.state == one.body.state && whole.body.state == some.body.state);
	REQUIRE(whole.body.left == one.body.left && whole.body.left == some.body.left);
	REQUIRE(whole.body.total == one.body.total && whole.body.total == some.body.total);
	REQUIRE(whole.body.noise == one.body.noise && whole.body.noise == some.body.noise);
	if (!req->chunked && http_body_done(&whole.body))
		REQUIRE((uint64_t)whole.result == req->content_length);
}

static bool is_refusal(int result)
{
	static const int statuses[] = {400, 413, 414, 417, 431, 501, 505};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (result == -statuses[i])
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request req, chunked = {.chunked = true};
	const char *buf = (const char *)data + 1;
	size_t len = size - 1;
	int whole;

	if (size == 0)
		return 0;
	cut_state = data[0];
	whole = http_parse(buf, len, 0, &req);
	REQUIRE(whole <= (int)len);
	REQUIRE(whole >= 0 || is_refusal(whole));
	REQUIRE(whole != 0 || len < HTTP_MAX_HEAD);
	if (whole > 0)
		check_request(&req, buf, (size_t)whole);
	if (len <= ALL_PREFIXES_UP_TO) {
		check_prefixes(buf, len, whole, &req);
		check_pieces(buf, len, 1, whole, &req);
	}
	check_pieces(buf, len, 40, whole, &req);
	check_pieces(buf, len, len > 0 ? len : 1, whole, &req);
	if (whole > 0)
		check_body(&req, buf + whole, len - (size_t)whole);
	else
		check_body(&chunked, buf, len);
	return 0;
}
