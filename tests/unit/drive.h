/*
 * drive.h - a model without a socket: drives a struct conn through whole exchanges, and checks
 * after every call what conn.h promises.
 *
 * Included by the tests of the connection core and by its fuzzer. The includer defines
 * REQUIRE(promise) first: what to do when a promise does not hold.
 *
 * The clock is a number that moves on by STEP_NS with every call. The shared receive buffer is a
 * heap block of its own (a sanitizer sees the byte beside it), and it is overwritten after every
 * conn_recvd(): whoever still reads input there will be found out.
 */
#ifndef SIX_DRIVE_H
#define SIX_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/clock.h"
#include "../../common/conn.h"
#include "../../common/stats.h"

/* Where the driver's own memory comes from. */
#ifndef DRIVE_REALLOC
#define DRIVE_REALLOC realloc
#define DRIVE_FREE    free
#endif

#define GO_ON "HTTP/1.1 100 Continue\r\n\r\n"

enum { STEP_NS = 1000, NO_CUT = SIZE_MAX >> 1 };

struct drive {
	struct conn conn;
	struct conn_buffer *shared;
	uint64_t now;
	/* How the socket takes output: at most `send_most` bytes at a time (0: any number), and
	 * never across the output's byte number `send_cut`. */
	size_t send_most, send_cut;
	char *out; /* all that was sent */
	size_t out_len, out_room;
	size_t reply_at; /* where in `out` the present reply begins */
	uint64_t continues; /* how often 100 (Continue) was sent */
	bool hide_continue; /* keep those out of `out` */
	bool continuing; /* one is being sent */
	bool head_only;
	bool shut; /* the sending side, at shut_at */
	uint64_t shut_at;
	bool compute; /* whether conn_compute() really burns the time asked for */
	uint8_t was; /* want before the last call */
	uint64_t answered; /* requests counted so far */
};

static inline uint64_t requests_counted(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STATS_STATUSES; i++)
		sum += atomic_load(&stats->requests[i]);
	return sum;
}

/* So that two runs see the same /stats. */
static inline void forget_counts(void)
{
	for (unsigned i = 0; i < STATS_STATUSES; i++)
		atomic_store(&stats->requests[i], 0);
}

static inline const char *find(const char *at, size_t len, const char *what)
{
	return memmem(at, len, what, strlen(what));
}

/* Whether at[0..len) is one whole chunked body, and nothing more. */
static inline bool whole_chunked(const char *at, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (;;) {
		size_t size = 0, digits = 0;
		const char *digit;

		for (; len > 0 && *at != '\r'; at++, len--, digits++) {
			if (digits == 8 || !(digit = memchr(hex, *at, 16)))
				return false;
			size = size * 16 + (size_t)(digit - hex);
		}
		if (digits == 0 || len < size + 4 || memcmp(at, "\r\n", 2) != 0 ||
		    memcmp(at + 2 + size, "\r\n", 2) != 0)
			return false;
		at += 4 + size;
		len -= 4 + size;
		if (size == 0)
			return len == 0;
	}
}

/* Whether a finished reply is framed as its own head says. */
static inline bool well_framed(const char *reply, size_t len, bool head_only)
{
	const char *end = find(reply, len, "\r\n\r\n"), *field;

	if (!end || strncmp(reply, "HTTP/1.1 ", 9) != 0)
		return false;
	size_t head = (size_t)(end - reply) + 4;

	if (head_only)
		return len == head;
	field = find(reply, head, "\r\nContent-Length: ");
	if (field)
		return strtoull(field + 18, NULL, 10) == len - head;
	if (find(reply, head, "\r\nTransfer-Encoding: chunked\r\n"))
		return whole_chunked(reply + head, len - head);
	return find(reply, head, "\r\nConnection: close\r\n") != NULL;
}

/* What holds after every call. */
static inline void drive_check(struct drive *d)
{
	const struct conn *c = &d->conn;
	const char *span, *again;
	size_t len;

	REQUIRE(c->want <= WANT_CLOSE);
	switch ((enum want)c->want) {
	case WANT_RECV:
		REQUIRE(c->deadline != NEVER && !c->out);
		REQUIRE(c->begun || !c->in); /* an idle connection holds no memory */
		REQUIRE(!d->shut || c->deadline == d->shut_at + NS_PER_SECOND);
		break;
	case WANT_WAIT: /* nor does one that waits, except for input that came early */
		REQUIRE(c->deadline != NEVER && c->deadline >= d->now && !c->out);
		break;
	case WANT_SEND:
		REQUIRE(c->deadline == d->now + conn_config.request_timeout_ns);
		len = conn_data(&d->conn, &span);
		REQUIRE(len > 0 && conn_data(&d->conn, &again) == len && again == span);
		if (d->was == WANT_SEND && d->answered == requests_counted())
			break;
		d->continuing = len == strlen(GO_ON) && memcmp(span, GO_ON, len) == 0;
		d->continues += d->continuing;
		if (d->continuing || (d->was == WANT_WAIT && c->reply.body == BODY_STREAM))
			break;
		REQUIRE(len > 9 && memcmp(span, "HTTP/1.1 ", 9) == 0);
		d->reply_at = d->out_len;
		d->head_only = c->reply.head_only;
		break;
	case WANT_COMPUTE:
	case WANT_SHUT:
	case WANT_CLOSE:
		REQUIRE(c->deadline == NEVER);
		REQUIRE(c->want == WANT_CLOSE || !c->out);
		break;
	}
	d->was = c->want;
	d->answered = requests_counted();
}

static inline void drive_open(struct drive *d, uint64_t now)
{
	*d = (struct drive){.now = now, .send_cut = NO_CUT, .was = WANT_CLOSE};
	d->shared = DRIVE_REALLOC(NULL, sizeof *d->shared);
	REQUIRE(d->shared);
	d->answered = requests_counted();
	conn_open(&d->conn, d->shared, now);
	REQUIRE(d->conn.want == WANT_RECV && !d->conn.in && !d->conn.out);
	drive_check(d);
}

static inline void drive_close(struct drive *d)
{
	conn_close(&d->conn);
	REQUIRE(!d->conn.in && !d->conn.out && d->conn.want == WANT_CLOSE);
	DRIVE_FREE(d->shared);
	DRIVE_FREE(d->out);
	d->shared = NULL;
	d->out = NULL;
}

/* Receives at most len bytes, as many as there is room for. Returns how many. */
static inline size_t drive_recv(struct drive *d, const char *bytes, size_t len)
{
	char *span = NULL;
	size_t room;

	REQUIRE(d->conn.want == WANT_RECV && len > 0);
	room = conn_room(&d->conn, &span);
	REQUIRE(room > 0 && span);
	if (len > room)
		len = room;
	memcpy(span, bytes, len);
	d->now += STEP_NS;
	conn_recvd(&d->conn, len, d->now);
	memset(d->shared, 0xa5, sizeof *d->shared);
	drive_check(d);
	return len;
}

/* The client has finished sending. */
static inline void drive_end_input(struct drive *d)
{
	char *span;

	REQUIRE(d->conn.want == WANT_RECV);
	REQUIRE(conn_room(&d->conn, &span) > 0);
	d->now += STEP_NS;
	conn_recvd(&d->conn, 0, d->now);
	drive_check(d);
	REQUIRE(d->conn.want == WANT_CLOSE);
}

static inline void drive_keep(struct drive *d, const char *bytes, size_t len)
{
	if (d->continuing && d->hide_continue)
		return;
	if (d->out_room - d->out_len < len) {
		d->out_room = 2 * (d->out_len + len);
		d->out = DRIVE_REALLOC(d->out, d->out_room);
		REQUIRE(d->out);
	}
	memcpy(d->out + d->out_len, bytes, len);
	d->out_len += len;
}

/* The socket takes the first n bytes of what there is to send. */
static inline void drive_send(struct drive *d, size_t n)
{
	uint64_t answered = requests_counted();
	const char *span;
	size_t len = conn_data(&d->conn, &span);

	REQUIRE(d->conn.want == WANT_SEND && n > 0 && n <= len);
	drive_keep(d, span, n);
	d->now += STEP_NS;
	conn_sent(&d->conn, n, d->now);
	if (requests_counted() != answered) {
		REQUIRE(requests_counted() == answered + 1);
		REQUIRE(well_framed(d->out + d->reply_at, d->out_len - d->reply_at, d->head_only));
	}
	drive_check(d);
}

static inline void drive_send_all(struct drive *d)
{
	const char *span;

	drive_send(d, conn_data(&d->conn, &span));
}

/* Sends nothing: a socket that was full. */
static inline void drive_send_nothing(struct drive *d)
{
	struct conn before = d->conn;

	conn_sent(&d->conn, 0, d->now + 5 * NS_PER_SECOND);
	REQUIRE(memcmp(&before, &d->conn, sizeof before) == 0);
}

static inline size_t drive_send_size(const struct drive *d, size_t len)
{
	if (d->send_most && len > d->send_most)
		len = d->send_most;
	if (d->out_len < d->send_cut && len > d->send_cut - d->out_len)
		len = d->send_cut - d->out_len;
	return len;
}

/* One step of anything but receiving. */
static inline void drive_turn(struct drive *d)
{
	const char *span;

	switch ((enum want)d->conn.want) {
	case WANT_WAIT:
		d->now = d->conn.deadline;
		conn_timer(&d->conn, d->now);
		drive_check(d);
		break;
	case WANT_COMPUTE:
		if (d->compute) {
			struct conn before = d->conn;

			conn_compute(&d->conn);
			REQUIRE(memcmp(&before, &d->conn, sizeof before) == 0);
		}
		d->now += STEP_NS;
		conn_computed(&d->conn, d->now);
		drive_check(d);
		break;
	case WANT_SEND:
		drive_send_nothing(d);
		drive_send(d, drive_send_size(d, conn_data(&d->conn, &span)));
		break;
	case WANT_SHUT:
		REQUIRE(!d->shut);
		d->now += STEP_NS;
		d->shut = true;
		d->shut_at = d->now;
		conn_shut(&d->conn, d->now);
		drive_check(d);
		REQUIRE(d->conn.want == WANT_RECV);
		break;
	default:
		REQUIRE(!"receiving and closing are the caller's");
	}
}

/* Goes on until there is nothing to do but receive or close. */
static inline void drive_run(struct drive *d)
{
	while (d->conn.want != WANT_RECV && d->conn.want != WANT_CLOSE)
		drive_turn(d);
}

/* Receives everything: `first` bytes (0: none on their own), then `step` at a time. Output goes
 * out in between. What is left when the connection closes is not received. */
static inline void drive_feed(struct drive *d, const char *bytes, size_t len, size_t first,
			      size_t step)
{
	size_t at = 0, piece = first ? first : step;

	drive_run(d);
	while (at < len && d->conn.want == WANT_RECV) {
		at += drive_recv(d, bytes + at, piece < len - at ? piece : len - at);
		piece = at < first ? first - at : step;
		drive_run(d);
	}
}

#endif
