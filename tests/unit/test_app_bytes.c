/*
 * test_app_bytes.c - every byte of the replies (common/app.c), and of /stats (common/stats.c).
 *
 * Rendered replies are read back by a reader of this file's own, which knows HTTP and not app.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../common/app.h"
#include "../../common/stats.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GIBIBYTE     (UINT64_C(1) << 30)

enum { BLOCK = 64 * 1024 };

/* What app_render() wrote, on a heap block of exactly the size it may use. */
struct rendered {
	char *at;
	size_t len, head_len;
};

static struct rendered render(const struct reply *reply)
{
	size_t size = app_render_size(reply);
	struct rendered r = {.at = malloc(size + 1)};
	const char *end;

	assert_non_null(r.at);
	r.at[size] = '\x7e'; /* a sentinel, for builds without a sanitizer */
	r.len = app_render(reply, r.at);
	assert_in_range(r.len, 1, size);
	assert_int_equal(r.at[size], '\x7e');
	end = memmem(r.at, r.len, "\r\n\r\n", 4);
	assert_non_null(end);
	r.head_len = (size_t)(end - r.at) + 4;
	assert_in_range(r.head_len, 1, APP_MAX_HEAD);
	assert_null(memchr(r.at, '\0', r.head_len));
	return r;
}

/* The value of a field in the head, or "" where there is none; valid until the next call. */
static const char *field(const struct rendered *r, const char *name)
{
	static char value[APP_MAX_HEAD];
	char start[64];
	const char *at;

	snprintf(start, sizeof start, "\r\n%s: ", name);
	at = memmem(r->at, r->head_len, start, strlen(start));
	if (!at)
		return "";
	at += strlen(start);
	assert_null(memmem(at, (size_t)(r->at + r->head_len - at), start, strlen(start)));
	size_t len = (size_t)((const char *)memchr(at, '\r', APP_MAX_HEAD) - at);

	memcpy(value, at, len);
	value[len] = '\0';
	return value;
}

static void assert_body(const struct rendered *r, const char *body)
{
	assert_int_equal(r->len - r->head_len, strlen(body));
	assert_memory_equal(r->at + r->head_len, body, strlen(body));
}

static void check_framing(const struct reply *reply, const struct rendered *r)
{
	size_t body = r->len - r->head_len;
	bool chunked = reply->body == BODY_STREAM && !reply->http10;

	assert_string_equal(field(r, "Transfer-Encoding"), chunked ? "chunked" : "");
	assert_string_equal(field(r, "Connection"), !reply->keep_alive ? "close"
						    : reply->http10    ? "keep-alive"
								       : "");
	assert_string_equal(field(r, "Allow"), reply->status == 405 ? "GET, HEAD" : "");
	if (reply->body == BODY_STREAM) {
		assert_string_equal(field(r, "Content-Length"), "");
		if (chunked && reply->length == 0 && !reply->head_only)
			assert_body(r, "0\r\n\r\n");
		else
			assert_int_equal(body, 0);
	} else if (reply->body == BODY_BYTES) {
		assert_int_equal(strtoull(field(r, "Content-Length"), NULL, 10), reply->length);
		assert_int_equal(body, 0); /* it comes from app_block() */
	} else if (reply->head_only) {
		assert_int_equal(body, 0);
		assert_true(strtoull(field(r, "Content-Length"), NULL, 10) > 0);
	} else {
		assert_int_equal(strtoull(field(r, "Content-Length"), NULL, 10), body);
	}
}

static void check_text(const struct reply *reply, const struct rendered *r)
{
	const char *type = "text/plain", *text = NULL;
	char status[64];

	if (reply->body == BODY_BYTES)
		type = "application/octet-stream";
	else if (reply->body == BODY_DONE || reply->body == BODY_STATS)
		type = "application/json";
	assert_string_equal(field(r, "Content-Type"), type);
	snprintf(status, sizeof status, "HTTP/1.1 %d ", reply->status);
	assert_memory_equal(r->at, status, strlen(status));
	if (reply->body == BODY_HELLO)
		text = "Hello, World!";
	else if (reply->body == BODY_DONE)
		text = "{\"answer\":42}\n";
	else if (reply->body == BODY_STATUS) {
		size_t len = (size_t)((char *)memchr(r->at, '\r', r->len) - r->at) - 9;

		assert_true(len < sizeof status); /* the status line without the version */
		memcpy(status, r->at + 9, len);
		status[len] = '\0';
		text = status;
	}
	if (text && !reply->head_only)
		assert_body(r, text);
}

/* Every body with every status, version and connection policy, at its shortest and longest. */
static void test_every_reply_is_well_formed(void **state)
{
	static const uint64_t lengths[] = {0, 1, 64, 1000000, GIBIBYTE};
	unsigned rendered = 0;

	(void)state;
	for (unsigned body = BODY_HELLO; body <= BODY_STATUS; body++)
		for (unsigned i = 0; app_status_at(i); i++)
			for (unsigned flags = 0; flags < 8; flags++)
				for (size_t k = 0; k < COUNT(lengths); k++) {
					struct reply reply = {.length = lengths[k],
							      .status = (uint16_t)app_status_at(i),
							      .body = (uint8_t)body,
							      .head_only = flags & 1,
							      .keep_alive = flags & 2,
							      .http10 = flags & 4};
					struct rendered r = render(&reply);

					check_framing(&reply, &r);
					check_text(&reply, &r);
					free(r.at);
					rendered++;
				}
	assert_int_equal(rendered, 6 * 13 * 8 * COUNT(lengths));
}

/* /stats at its longest: every counter as high as it goes. */
static void test_stats_fit(void **state)
{
	struct reply reply = {.status = 200, .body = BODY_STATS, .keep_alive = true};
	struct rendered r;

	(void)state;
	for (unsigned i = 0; i < COUNTERS; i++)
		atomic_store(&stats->counters[i], UINT64_MAX);
	for (unsigned i = 0; i < STATS_STATUSES; i++)
		atomic_store(&stats->requests[i], UINT64_MAX);
	r = render(&reply);
	assert_true(r.len - r.head_len < APP_MAX_STATS);
	assert_non_null(memmem(r.at, r.len, "18446744073709551615", 20));
	assert_int_equal(r.at[r.head_len], '{');
	assert_memory_equal(r.at + r.len - 2, "}\n", 2);
	assert_null(memchr(r.at, '\0', r.len));
	free(r.at);
	for (unsigned i = 0; i < COUNTERS; i++)
		atomic_store(&stats->counters[i], 0);
	for (unsigned i = 0; i < STATS_STATUSES; i++)
		atomic_store(&stats->requests[i], 0);
}

/* Each counter stands under its own name. */
static void test_stats_names(void **state)
{
	static const char *const names[] = {
		"accept",	 "recv",	   "send",	"wait",
		"epoll_ctl",	 "io_uring_enter", "nanosleep", "shutdown",
		"close",	 "setsockopt",	   "clone",	"wakeups",
		"slots_scanned", "timers_fired",   "accepted",	NULL,
		"refused",
	};
	char json[APP_MAX_STATS + 1], want[64];

	(void)state;
	assert_int_equal(COUNT(names), COUNTERS);
	for (unsigned i = 0; i < COUNTERS; i++)
		atomic_store(&stats->counters[i], 1000 + i);
	atomic_store(&stats->counters[CONNS_CLOSED], 1);
	for (unsigned i = 0; i < STATS_STATUSES; i++)
		atomic_store(&stats->requests[i], i < 13 ? 2000 + i : 0);
	json[stats_json(json, APP_MAX_STATS)] = '\0';
	for (unsigned i = 0; i < COUNTERS; i++)
		if (names[i]) {
			snprintf(want, sizeof want, "\"%s\":%u", names[i], 1000 + i);
			assert_non_null(strstr(json, want));
		}
	snprintf(want, sizeof want, "\"open\":%u,", 1000 + CONNS_ACCEPTED - 1);
	assert_non_null(strstr(json, want));
	for (unsigned i = 0; i < 13; i++) {
		snprintf(want, sizeof want, "\"%d\":%u", app_status_at(i), 2000 + i);
		assert_non_null(strstr(json, want));
	}
	snprintf(want, sizeof want, "\"total\":%u,", 13 * 2000 + 12 * 13 / 2);
	assert_non_null(strstr(json, want));
	for (unsigned i = 0; i < COUNTERS; i++)
		atomic_store(&stats->counters[i], 0);
	for (unsigned i = 0; i < STATS_STATUSES; i++)
		atomic_store(&stats->requests[i], 0);
}

/* From any offset on, and whole from one end to the other: the row, again and again. */
static void test_block_pattern(void **state)
{
	static const char row[] =
		"The quick brown server jumps over the lazy client, never waiting";
	struct reply reply = {.body = BODY_BYTES, .length = 3 * BLOCK + 77};

	(void)state;
	assert_int_equal(strlen(row), 64);
	for (uint64_t offset = 0; offset < reply.length; offset++) {
		const char *span = NULL;
		size_t len = app_block(&reply, offset, &span);

		assert_in_range(len, 1, reply.length - offset);
		if (span[0] != row[offset % 64] || span[len - 1] != row[(offset + len - 1) % 64])
			fail_msg("the span from %lu on is wrong", offset);
	}
	for (uint64_t offset = 0, len; offset < reply.length; offset += len) {
		const char *span;

		len = app_block(&reply, offset, &span);
		assert_true(len == BLOCK || offset + len == reply.length);
		for (size_t i = 0; i < len; i++)
			if (span[i] != row[(offset + i) % 64])
				fail_msg("byte %lu is wrong", offset + i);
	}
	reply.length = GIBIBYTE;
	for (uint64_t offset = GIBIBYTE - 3; offset < GIBIBYTE; offset++) {
		const char *span;

		assert_int_equal(app_block(&reply, offset, &span), GIBIBYTE - offset);
		assert_int_equal(span[0], row[offset % 64]);
	}
}

/* Reads a piece back: its size line, its text, and the end of the stream behind the last. */
static void check_piece(const struct reply *reply, uint64_t index)
{
	char buf[APP_MAX_HEAD], want[64], *end;
	size_t len, text_len = (size_t)snprintf(want, sizeof want, "piece %lu\n", index + 1);
	bool last = index + 1 == reply->length;

	memset(buf, 0x7e, sizeof buf);
	len = app_piece(reply, index, buf);
	assert_true(len < sizeof buf && buf[len] == 0x7e);
	if (reply->http10) {
		assert_int_equal(len, text_len);
		assert_memory_equal(buf, want, text_len);
		return;
	}
	assert_int_equal(strtoul(buf, &end, 16), text_len);
	assert_int_not_equal(buf[0], '0'); /* no leading zero, and no early end */
	assert_memory_equal(end, "\r\n", 2);
	assert_memory_equal(end + 2, want, text_len);
	end += 2 + text_len;
	assert_memory_equal(end, last ? "\r\n0\r\n\r\n" : "\r\n", last ? 7 : 2);
	assert_ptr_equal(end + (last ? 7 : 2), buf + len);
}

static void test_pieces(void **state)
{
	(void)state;
	for (int http10 = 0; http10 <= 1; http10++) {
		struct reply reply = {
			.body = BODY_STREAM, .length = 1000000, .http10 = http10 != 0};

		for (uint64_t i = 0; i < 1000000; i += i < 20000 ? 1 : 13)
			check_piece(&reply, i);
		check_piece(&reply, 999999);
		reply.length = 1;
		check_piece(&reply, 0);
		for (uint64_t i = 1; i < UINT64_MAX / 10; i *= 10) { /* sizes of two digits too */
			reply.length = i + 1;
			check_piece(&reply, i - 1);
			check_piece(&reply, i);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reply_is_well_formed),
		cmocka_unit_test(test_stats_fit),
		cmocka_unit_test(test_stats_names),
		cmocka_unit_test(test_block_pattern),
		cmocka_unit_test(test_pieces),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("replies", tests, NULL, NULL);
}
