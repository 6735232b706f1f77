/*
 * conn.c - the life of one connection, without any I/O. See conn.h for the contract.
 *
 *        first byte            complete         answered/computed        all sent
 *   RECV ----------> RECV ---------------> WAIT, COMPUTE ---------> SEND --------> RECV ...
 *   (idle)           (request_timeout)                               |
 *                                                                    +--> SHUT, drain, CLOSE
 */
#include "conn.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "stats.h"
#include "trace.h"

/* How long a client may go on sending after its last reply before the connection is closed on it.
 */
#define LINGER_NS NS_PER_SECOND

enum {
	FIRST_HOLD = 512, /* bytes put aside for an incomplete request, at first */
	BODY_BESIDE_HEAD = 8192 /* bytes of a body that share the buffer of its head */
};

struct conn_config conn_config = {.request_timeout_ns = 10 * NS_PER_SECOND,
				  .idle_timeout_ns = 60 * NS_PER_SECOND};

/* Bytes that must outlive the call they came in: bytes[begin..end) of `capacity`. */
struct conn_bytes {
	uint32_t begin, end, capacity;
	uint32_t parsed; /* of input: how much of it the parser has seen in vain */
	char bytes[];
};

static void drop(struct conn_bytes **held)
{
	free(*held);
	*held = NULL;
}

static struct conn_bytes *hold(size_t capacity)
{
	struct conn_bytes *h = malloc(sizeof *h + capacity);

	if (h) {
		h->begin = h->end = h->parsed = 0;
		h->capacity = (uint32_t)capacity;
	}
	return h;
}

void conn_open(struct conn *c, struct conn_buffer *shared, uint64_t now)
{
	*c = (struct conn){
		.shared = shared,
		.want = WANT_RECV,
		.deadline = now + conn_config.request_timeout_ns,
		.trace = trace_open(now),
	};
}

void conn_close(struct conn *c)
{
	drop(&c->in);
	drop(&c->out);
	trace_close(c->trace);
	c->trace = NULL;
	c->want = WANT_CLOSE;
}

/* Ends the connection at once: there is no memory, or nobody left to answer. */
static void give_up(struct conn *c)
{
	c->want = WANT_CLOSE;
	c->deadline = NEVER;
}

void conn_lost(struct conn *c)
{
	give_up(c);
}

/* ---- sending ---- */

static void start_sending(struct conn *c, uint64_t now)
{
	c->want = WANT_SEND;
	c->deadline = now + conn_config.request_timeout_ns;
}

/* Renders the head, and the beginning of the body beside it: small replies go out in one piece. */
static void render_head(struct conn *c, uint64_t now)
{
	uint64_t beside = 0;

	if (c->reply.body == BODY_BYTES && !c->reply.head_only)
		beside = c->reply.length < BODY_BESIDE_HEAD ? c->reply.length : BODY_BESIDE_HEAD;
	c->out = hold(app_render_size(&c->reply) + beside);
	if (!c->out) {
		give_up(c);
		return;
	}
	size_t len = app_render(&c->reply, c->out->bytes);

	if (beside) {
		const char *span;

		app_block(&c->reply, 0, &span); /* the first block is longer than what fits here */
		memcpy(c->out->bytes + len, span, beside);
	}
	c->out->end = (uint32_t)(len + beside);
	c->sent = beside;
	start_sending(c, now);
}

static void render_piece(struct conn *c, uint64_t now)
{
	c->out = hold(APP_MAX_HEAD);
	if (!c->out) {
		give_up(c);
		return;
	}
	c->out->end = (uint32_t)app_piece(&c->reply, c->sent++, c->out->bytes);
	start_sending(c, now);
}

/* The request is complete, its body too: the database starts, or the computing, or the reply. */
static void begin_reply(struct conn *c, uint64_t now)
{
	c->replying = true;
	if (c->reply.delay_ns && c->reply.body != BODY_STREAM) {
		c->want = WANT_WAIT;
		c->deadline = now + c->reply.delay_ns;
	} else if (c->reply.compute_ns) {
		c->want = WANT_COMPUTE;
		c->deadline = NEVER;
	} else {
		render_head(c, now);
	}
}

static void refuse(struct conn *c, int status, uint64_t now)
{
	app_refuse(status, &c->reply);
	drop(&c->in);
	trace_parsed(c->trace, (struct http_text){0}, now);
	begin_reply(c, now);
}

/* ---- receiving ---- */

/* The head at buf[0..len) is understood; what follows it are the body and further requests. */
static void understood(struct conn *c, const struct http_request *req, bool more, uint64_t now)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	app_handle(req, &c->reply);
	http_body_begin(&c->body, req);
	trace_parsed(c->trace, req->path, now);
	if (!req->expect_continue || http_body_done(&c->body) || more)
		return;
	c->out = hold(sizeof go_on);
	if (!c->out) {
		give_up(c);
		return;
	}
	memcpy(c->out->bytes, go_on, sizeof go_on - 1);
	c->out->end = sizeof go_on - 1;
	start_sending(c, now);
}

/*
 * Understands as much of buf[0..len) as can be understood now. Returns how many bytes are done
 * with; the rest is the beginning of a request, or requests whose turn comes after the present
 * reply. `parsed`: how many of the bytes the parser has already seen without finding a whole head.
 */
static size_t understand(struct conn *c, const char *buf, size_t len, size_t parsed, uint64_t now)
{
	size_t used = 0;

	while (used < len && c->want == WANT_RECV) {
		struct http_request req;
		int n;

		if (!http_body_done(&c->body)) {
			n = http_body_skip(&c->body, buf + used, len - used);
		} else {
			n = http_parse(buf + used, len - used, parsed, &req);
			parsed = 0;
			if (n > 0)
				understood(c, &req, used + (size_t)n < len, now);
		}
		if (n < 0) {
			refuse(c, -n, now);
			return len;
		}
		used += (size_t)n;
		if (n == 0)
			break;
		if (http_body_done(&c->body) && c->want == WANT_RECV)
			begin_reply(c, now);
	}
	return used;
}

/* Goes back to receiving, or on with what was received before (`in`), when a reply is out. */
static void next_request(struct conn *c, uint64_t now)
{
	c->want = WANT_RECV;
	c->begun = c->in != NULL;
	if (!c->begun) {
		c->deadline = now + conn_config.idle_timeout_ns;
		return;
	}
	trace_begun(c->trace, now);
	c->deadline = now + conn_config.request_timeout_ns;
	struct conn_bytes *in = c->in;
	size_t len = in->end - in->begin;
	size_t used = understand(c, in->bytes + in->begin, len, 0, now);

	if (!c->in)
		return; /* refused */
	in->begin += (uint32_t)used;
	in->parsed = (uint32_t)(len - used);
	if (in->begin == in->end)
		drop(&c->in);
}

size_t conn_room(struct conn *c, char **span)
{
	struct conn_bytes *in = c->in;

	if (!in) {
		*span = c->shared->bytes;
		return sizeof c->shared->bytes;
	}
	if (in->begin) {
		memmove(in->bytes, in->bytes + in->begin, in->end - in->begin);
		in->end -= in->begin;
		in->begin = 0;
	}
	if (in->end == in->capacity) {
		size_t capacity = 2 * (size_t)in->capacity;

		in = realloc(in, sizeof *in + capacity);
		if (!in) { /* no memory: this client can no longer be understood, only listened to
			    */
			drop(&c->in);
			c->draining = true;
			*span = c->shared->bytes;
			return sizeof c->shared->bytes;
		}
		in->capacity = (uint32_t)capacity;
		c->in = in;
	}
	*span = in->bytes + in->end;
	return in->capacity - in->end;
}

/* Puts aside what was received into the shared buffer and is not understood yet. */
static void put_aside(struct conn *c, const char *rest, size_t len)
{
	size_t capacity = FIRST_HOLD;

	while (capacity <= len)
		capacity *= 2;
	c->in = hold(capacity);
	if (!c->in) {
		give_up(c);
		return;
	}
	memcpy(c->in->bytes, rest, len);
	c->in->end = (uint32_t)len;
	c->in->parsed = (uint32_t)len;
}

void conn_recvd(struct conn *c, size_t n, uint64_t now)
{
	if (n == 0) { /* the client sends no more; what it asked before has been answered */
		give_up(c);
		return;
	}
	if (c->draining)
		return;
	trace_begun(c->trace, now);
	if (!c->begun) {
		c->begun = true;
		c->deadline = now + conn_config.request_timeout_ns;
	}
	if (!c->in) {
		char *buf = c->shared->bytes;
		size_t used = understand(c, buf, n, 0, now);

		if (used < n)
			put_aside(c, buf + used, n - used);
		return;
	}
	struct conn_bytes *in = c->in;

	in->end += (uint32_t)n;
	size_t used = understand(c, in->bytes, in->end, in->parsed, now);

	if (!c->in)
		return; /* refused */
	in->begin = (uint32_t)used;
	in->parsed = in->end - in->begin;
	if (in->begin == in->end)
		drop(&c->in);
}

/* ---- what the model reports ---- */

size_t conn_data(struct conn *c, const char **span)
{
	if (c->out) {
		*span = c->out->bytes + c->out->begin;
		return c->out->end - c->out->begin;
	}
	return app_block(&c->reply, c->sent, span);
}

/* The last byte of a reply is out. */
static void finish_reply(struct conn *c, uint64_t now)
{
	count_request(app_status_index(c->reply.status));
	trace_answered(c->trace, c->reply.status, now);
	c->replying = false;
	if (c->reply.keep_alive) {
		next_request(c, now);
		return;
	}
	/* Closing while the client may still be sending would reset the connection, and the reset
	 * can overtake the reply: so first the sending side alone. */
	c->want = WANT_SHUT;
	c->deadline = NEVER;
	drop(&c->in);
}

void conn_sent(struct conn *c, size_t n, uint64_t now)
{
	if (n == 0)
		return;
	if (c->out) {
		c->out->begin += (uint32_t)n;
		if (c->out->begin < c->out->end) {
			start_sending(c, now);
			return;
		}
		drop(&c->out);
	} else {
		c->sent += n;
	}
	if (!c->replying) { /* that was "100 Continue": now the body */
		c->want = WANT_RECV;
		c->deadline = now + conn_config.request_timeout_ns;
	} else if (c->reply.head_only || c->reply.body < BODY_BYTES ||
		   c->reply.body > BODY_STREAM || c->sent == c->reply.length) {
		finish_reply(c, now);
	} else if (c->reply.body == BODY_STREAM) {
		c->want = WANT_WAIT;
		c->deadline = now + c->reply.delay_ns;
	} else {
		start_sending(c, now);
	}
}

void conn_timer(struct conn *c, uint64_t now)
{
	if (c->want == WANT_WAIT) { /* the database answered */
		trace_waited(c->trace, now);
		if (c->reply.body == BODY_STREAM)
			render_piece(c, now);
		else
			render_head(c, now);
	} else if (c->want == WANT_RECV && c->begun && !c->draining) {
		refuse(c, 408, now); /* a request was begun and never finished */
	} else {
		give_up(c);
	}
}

void conn_delay(struct conn *c, uint64_t now)
{
	c->deadline = now + c->reply.delay_ns;
}

void conn_compute(const struct conn *c)
{
	app_compute(c->reply.compute_ns);
}

void conn_computed(struct conn *c, uint64_t now)
{
	render_head(c, now);
}

void conn_shut(struct conn *c, uint64_t now)
{
	c->draining = true;
	c->want = WANT_RECV;
	c->deadline = now + LINGER_NS;
}
