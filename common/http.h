/*
 * http.h - a pure HTTP/1.x request parser: bytes in, a description out.
 *
 * Called by conn.c alone; written in http.c (heads) and http_body.c (bodies). No malloc, no I/O, no
 * clock, no state of its own: the same bytes always give the same answer, however they were cut
 * into pieces (tests/fuzz/fuzz_http.c holds it to that).
 *
 * It is strict. Where RFC 9112 lets a server choose between repairing a
 * malformed message and refusing it, this parser refuses: a repaired message is
 * one that two programs on the same path may read differently, and that
 * difference is what request smuggling is made of (RFC 9112 section 11.2).
 */
#ifndef SIX_HTTP_H
#define SIX_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_MAX_LINE = 8192, /* bytes of a request line; above it 414 */
	HTTP_MAX_HEAD = 16384, /* bytes of request line and fields; above it 431 */
	HTTP_MAX_FIELDS = 100, /* header fields; above it 431 */
	HTTP_MAX_BODY = 1024 * 1024, /* bytes of a request body; above it 413 */
	HTTP_MAX_NOISE = 8192 /* bytes around the chunks of a body; above it 431 */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

/* A piece of the buffer that was parsed: not terminated, lives as long as it. Where empty, it still
 * points into the buffer. */
struct http_text {
	const char *at;
	size_t len;
};

struct http_request {
	/* "/db", as sent, not decoded; of an absolute-form target the path alone; empty for
	 * "OPTIONS *" and CONNECT (method is then HTTP_OTHER) */
	struct http_text path;
	struct http_text query; /* "ms=10", without the question mark; may be empty */
	uint64_t content_length; /* 0 where the head gives none; at most HTTP_MAX_BODY */
	enum http_method method;
	int minor_version; /* of HTTP/1.x: 0 or 1 (a higher one counts as 1) */
	bool keep_alive; /* what the version and Connection ask for (RFC 9112 section 9.3) */
	bool chunked; /* the body is chunked; content_length is then 0 */
	bool expect_continue; /* the client waits for "100 Continue" before its body */
};

/*
 * Parses one request head at the start of buf[0..len). `already` is the len of
 * the last call that returned 0 for the same head, 0 at the first: it lets a
 * head that trickles in be read once a line instead of once a byte.
 *
 * Returns > 0: the length of the head, with the empty line that ends it, and *out
 * filled in; 0: not complete yet; < 0: the status to refuse it with, negated (-400,
 * -413, -414, -417, -431, -501, -505). Unless it returns > 0, *out is undefined.
 * After a refusal the connection must be closed: where the next request would begin
 * is no longer known.
 *
 * A refusal comes as early as the bytes allow (a TLS hello is refused at its first
 * byte); with already > 0 it may come as late as the end of the line. What always
 * holds: once a non-zero answer is given for some bytes, it is the answer for
 * everything that begins with them; and all the ways to cut a string that
 * holds a whole head end in the same answer.
 *
 * A head longer than HTTP_MAX_HEAD is refused, so the caller never has to hold
 * more than that: len >= HTTP_MAX_HEAD is never answered with 0. A request line
 * that is too long is refused (-414) after HTTP_MAX_LINE bytes and at most four more.
 */
int http_parse(const char *buf, size_t len, size_t already, struct http_request *out);

/* What is left to skip of a request body, between calls. Private to http_body.c. */
struct http_body {
	uint32_t left; /* bytes left of the body or of the present chunk */
	uint32_t total; /* data bytes of all chunks announced so far */
	uint16_t noise; /* bytes of chunk extensions, trailers and the like so far */
	uint8_t state; /* 0: the body is complete (or there is none) */
};

/* Prepares to skip the body that `req` announces. */
void http_body_begin(struct http_body *body, const struct http_request *req);

static inline bool http_body_done(const struct http_body *body)
{
	return body->state == 0;
}

/*
 * Skips body bytes at buf[0..len), len <= INT_MAX: Content-Length or chunked with extensions and
 * trailers (RFC 9112 sections 6 and 7.1). Returns how many bytes belonged to the body, which is
 * less than len only once http_body_done(); or < 0, the status to refuse it with, negated: -400,
 * -413 (more data than HTTP_MAX_BODY) or -431 (more than HTTP_MAX_NOISE bytes that are not data;
 * the first 16 around each chunk are free, so small chunks are no offence). It must not be called
 * again after a refusal.
 */
int http_body_skip(struct http_body *body, const char *buf, size_t len);

#endif
