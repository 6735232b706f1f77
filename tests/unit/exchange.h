/*
 * exchange.h - what a client sends and what it must get, to the byte, for the tests of the
 * connection core.
 *
 * Every unit test of common/conn.c includes it, and nothing else: it brings cmocka, drive.h, the
 * requests and replies of the contract as string literals, and run_exchange().
 */
#ifndef SIX_EXCHANGE_H
#define SIX_EXCHANGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REQUIRE(promise) assert_true(promise)
#include "drive.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define START  (1000 * NS_PER_SECOND)
#define SECOND NS_PER_SECOND
#define MS     NS_PER_MILLISECOND

/* How an exchange leaves the connection. */
enum after { STAYS, CLOSES };

/* ---- requests and replies ---------------------------------------------------------------------
 */

#define HOST	   "Host: h\r\n"
#define GET(path)  "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\n" HOST "\r\n"
#define CHUNKED	   "Transfer-Encoding: chunked\r\n"
#define CLOSE	   "Connection: close\r\n"
#define KEEP	   "Connection: keep-alive\r\n"

#define FIELDS(status, type, framing, extra) \
	"HTTP/1.1 " status "\r\nContent-Type: " type "\r\n" framing "\r\n" extra "\r\n"
#define LENGTH(n)	     "Content-Length: " #n
#define HELLO_HEAD(extra)    FIELDS("200 OK", "text/plain", LENGTH(13), extra)
#define HELLO_EXTRA(extra)   HELLO_HEAD(extra) "Hello, World!"
#define HELLO		     HELLO_EXTRA("")
#define DONE_HEAD	     FIELDS("200 OK", "application/json", LENGTH(14), "")
#define DONE		     DONE_HEAD "{\"answer\":42}\n"
#define BYTES_HEAD(n, extra) FIELDS("200 OK", "application/octet-stream", LENGTH(n), extra)
#define ROW		     "The quick brown server jumps over the lazy client, never waiting"
#define STREAM_HEAD	     FIELDS("200 OK", "text/plain", "Transfer-Encoding: chunked", "")
#define PIECES_3	     "8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n8\r\npiece 3\n\r\n0\r\n\r\n"
#define STATUS(line, n)	     FIELDS(line, "text/plain", LENGTH(n), "") line
#define REFUSAL(line, n)     FIELDS(line, "text/plain", LENGTH(n), CLOSE) line
#define NOT_ALLOWED_HEAD     "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n"
#define NOT_ALLOWED                                                           \
	NOT_ALLOWED_HEAD "Content-Type: text/plain\r\n" LENGTH(22) "\r\n\r\n" \
								   "405 Method Not Allowed"
#define NOT_FOUND   STATUS("404 Not Found", 13)
#define BAD	    STATUS("400 Bad Request", 15)
#define REFUSED_400 REFUSAL("400 Bad Request", 15)
#define REFUSED_408 REFUSAL("408 Request Timeout", 19)

#define EXPECT "Expect: 100-continue\r\n"

struct exchange {
	const char *in, *out;
	enum after after;
};

static inline void print_bytes(const char *label, const char *bytes, size_t len)
{
	print_message("# %s: \"", label);
	for (size_t i = 0; i < len && i < 600; i++) {
		if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
			print_message("%c", bytes[i]);
		else
			print_message("\\x%02x", (unsigned char)bytes[i]);
	}
	print_message("\"\n");
}

static inline void assert_output(const struct drive *d, const char *in, const char *want,
				 size_t want_len)
{
	if (d->out_len != want_len || memcmp(d->out, want, want_len) != 0) {
		print_bytes("sent in", in, strlen(in));
		print_bytes("got", d->out, d->out_len);
		print_bytes("want", want, want_len);
		fail_msg("the wrong bytes");
	}
}

/* The last reply is out: either the connection idles now, without any memory, or its sending side
 * was shut and it throws away what still comes, for a second. Then the client is gone. */
static inline void assert_after(struct drive *d, enum after after)
{
	assert_int_equal(d->conn.want, WANT_RECV);
	assert_int_equal(d->shut, after == CLOSES);
	assert_null(d->conn.in);
	assert_null(d->conn.out);
	if (after == STAYS)
		assert_int_equal(d->conn.deadline, d->now + conn_config.idle_timeout_ns);
	drive_end_input(d);
}

struct way {
	size_t first, step; /* of input */
	size_t send_most, send_cut;
};

static inline void run_exchange(const struct exchange *e, struct way way)
{
	struct drive d;

	drive_open(&d, START);
	d.compute = true;
	d.send_most = way.send_most;
	d.send_cut = way.send_cut;
	drive_feed(&d, e->in, strlen(e->in), way.first, way.step);
	assert_output(&d, e->in, e->out, strlen(e->out));
	assert_int_equal(d.continues, 0);
	assert_after(&d, e->after);
	drive_close(&d);
}

#endif
