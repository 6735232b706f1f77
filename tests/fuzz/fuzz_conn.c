/*
 * fuzz_conn.c - libFuzzer target for the connection core: whatever comes, however it is cut,
 * however slowly the reply is read, the promises of conn.h hold or the process aborts.
 *
 * The first byte of the input seeds the cuts; the rest is what the client sends. It goes through
 * three connections: whole, in random pieces with output taken in random pieces, and the same with
 * deadlines that pass at random. drive.h checks the promises after every call. The first two must
 * answer with the same bytes; that excludes two freedoms that the contract gives:
 * - 100 (Continue) is sent only where nothing of the body has come yet: it is left out;
 * - a refusal may wait for the end of the line (http.h), which may never come: then it is missing.
 *
 * CPU time is not burnt. Output is cut off at a limit: a gibibyte proves no more than that.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(promise)                                                                \
	do {                                                                            \
		if (!(promise)) {                                                       \
			fprintf(stderr, "broken at line %d: %s\n", __LINE__, #promise); \
			abort();                                                        \
		}                                                                       \
	} while (0)
#include "../unit/drive.h"

enum { OUTPUT_LIMIT = 32 * 1024 };

static uint64_t cut_state;

static uint64_t random_below(uint64_t n)
{
	cut_state ^= cut_state >> 12;
	cut_state ^= cut_state << 25;
	cut_state ^= cut_state >> 27;
	return (cut_state * UINT64_C(2685821657736338717) >> 32) % n;
}

/* 1 ... most, small ones as likely as large ones. */
static size_t random_piece(size_t most)
{
	size_t n = 1 + random_below((uint64_t)1 << random_below(15));

	return n < most ? n : most;
}

static void open_anew(struct drive *d)
{
	forget_counts(); /* /stats must be the same each time */
	drive_open(d, 1000 * NS_PER_SECOND);
	d->hide_continue = true;
}

static bool full(const struct drive *d)
{
	return d->out_len >= OUTPUT_LIMIT;
}

/* The end: of the client's input, or because the limit is reached. */
static void finish(struct drive *d)
{
	if (d->conn.want == WANT_RECV)
		drive_end_input(d);
	REQUIRE(full(d) || d->conn.want == WANT_CLOSE);
	conn_close(&d->conn);
}

static void serve_whole(struct drive *d, const char *in, size_t len)
{
	size_t at = 0;

	open_anew(d);
	while (!full(d) && d->conn.want != WANT_CLOSE) {
		if (d->conn.want != WANT_RECV)
			drive_turn(d);
		else if (at < len)
			at += drive_recv(d, in + at, len - at);
		else
			break;
	}
	finish(d);
}

/* The client was too slow, or the database answered. */
static void pass_deadline(struct drive *d)
{
	enum want was = d->conn.want;
	bool begun = d->conn.begun, draining = d->conn.draining;

	d->now = d->conn.deadline;
	conn_timer(&d->conn, d->now);
	drive_check(d);
	if (was == WANT_RECV && begun && !draining)
		REQUIRE(d->conn.want == WANT_SEND && d->conn.reply.status == 408);
	else if (was != WANT_WAIT)
		REQUIRE(d->conn.want == WANT_CLOSE);
}

static void serve_pieces(struct drive *d, const char *in, size_t len, bool impatient)
{
	size_t at = 0;

	open_anew(d);
	while (!full(d) && d->conn.want != WANT_CLOSE) {
		d->now += random_below(NS_PER_SECOND);
		if (d->conn.want == WANT_WAIT && d->now > d->conn.deadline)
			d->now = d->conn.deadline;
		if (impatient && d->conn.deadline != NEVER && random_below(16) == 0) {
			pass_deadline(d);
		} else if (d->conn.want == WANT_SEND) {
			d->send_most = random_piece(OUTPUT_LIMIT);
			drive_turn(d);
		} else if (d->conn.want != WANT_RECV) {
			drive_turn(d);
		} else if (at < len) {
			at += drive_recv(d, in + at, random_piece(len - at));
		} else {
			break;
		}
	}
	finish(d);
}

/* Whether at[0..len) is one refusal: a reply that closes, framed by its own length. */
static bool is_refusal(const char *at, size_t len)
{
	return well_framed(at, len, false) && len > 12 && (at[9] == '4' || at[9] == '5') &&
	       find(at, len, "\r\nConnection: close\r\n");
}

static bool begins_with(const struct drive *whole, const struct drive *part)
{
	return part->out_len == 0 || (part->out_len <= whole->out_len &&
				      memcmp(whole->out, part->out, part->out_len) == 0);
}

static void compare(const struct drive *whole, struct drive *pieces)
{
	if (full(whole) || full(pieces)) { /* where each stopped is a matter of its pieces */
		if (pieces->out_len > whole->out_len)
			pieces->out_len = whole->out_len;
		REQUIRE(begins_with(whole, pieces));
		return;
	}
	REQUIRE(begins_with(whole, pieces));
	REQUIRE(pieces->out_len == whole->out_len ||
		is_refusal(whole->out + pieces->out_len, whole->out_len - pieces->out_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drive whole, pieces, impatient;

	if (size == 0)
		return 0;
	const char *in = (const char *)data + 1;
	size_t len = size - 1;

	cut_state = 88172645463325252u + data[0];
	serve_whole(&whole, in, len);
	serve_pieces(&pieces, in, len, false);
	compare(&whole, &pieces);
	serve_pieces(&impatient, in, len, true);
	drive_close(&whole);
	drive_close(&pieces);
	drive_close(&impatient);
	return 0;
}
