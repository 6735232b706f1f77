/*
 * reply.c - reading answers and judging them. Contract: client.h.
 *
 * An answer is good if it is well-formed HTTP, whole, with the expected status, and if nothing
 * follows it. The first one is parsed in full. As long as the next ones begin with the very same
 * head, their framing is known, and only their length has to be right.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "client.h"

enum { READS_AT_ONCE = 16 }; /* of one connection, before others have their turn */

/* The connection cannot be used again after a good answer: the server says so, or has hung up. */
static void reopen(struct worker *w, struct client *c)
{
	w->result->closed_by_server++;
	client_close(c);
	if (!c->silent && !w->draining)
		client_connect(w, c);
}

/* Records the good answer that ended at w->now. */
static inline void record(struct worker *w, struct client *c)
{
	struct result *r = w->result;

	r->all_answered++;
	c->ever_answered = c->served = true;
	c->failures = 0;
	if (__builtin_expect(!w->measuring || c->start_ns < w->begin_ns, 0)) {
		r->answered += w->measuring;
		c->answered += w->measuring;
		window_odd_life(w, c);
		return;
	}
	r->answered++;
	c->answered++;
	histogram_record(&r->latency, w->now - c->start_ns);
	if (w->open_loop)
		histogram_record(&r->intended, w->now - c->intended_ns);
}

/* A good answer, of a client that does not simply ask again. keep: the connection goes on. */
static void answered_otherwise(struct worker *w, struct client *c, bool keep)
{
	if (c->silent) {
		c->ever_answered = c->served = true;
		c->failures = 0;
		c->state = CLIENT_READY;
		w->progress_ns = w->now;
		if (!keep)
			reopen(w, c);
		return;
	}
	record(w, c);
	c->state = CLIENT_READY;
	window_level(w, -1);
	if (w->options->requests != 0) {
		atomic_fetch_add(&w->run->answered, 1);
		client_check_limit(w);
		if (w->over)
			return;
	}
	if (w->options->close)
		client_close(c); /* first, so that TIME_WAIT is on this side */
	else if (!keep)
		reopen(w, c);
	if (w->options->close || keep)
		client_free(w, c);
}

/* A good answer. Returns whether the connection is still the same one. */
static inline bool answered(struct worker *w, struct client *c, bool keep)
{
	if (w->over)
		return false;
	if (__builtin_expect(!w->plain || !keep || c->silent, 0)) {
		answered_otherwise(w, c, keep);
		return keep && !w->options->close;
	}
	record(w, c);
	/* The closed loop: the next request's life begins where the last one's ended. One reading
	 * of the clock serves both, and the number in flight does not change. */
	c->start_ns = c->intended_ns = w->now;
	w->result->all_begun++;
	w->result->begun += w->measuring;
	ssize_t n = send(c->fd, w->request, w->request_len, MSG_NOSIGNAL);

	if (__builtin_expect(n != (ssize_t)w->request_len, 0)) {
		c->sent = n > 0 ? (uint16_t)n : 0;
		client_send(w, c); /* the rest; or the same error again, dealt with there */
		return c->state >= CLIENT_READY;
	}
	c->state = CLIENT_WAITING;
	return true;
}

/* A whole answer with another status. */
static bool wrong_status(struct worker *w, struct client *c, unsigned status, bool keep)
{
	if (w->measuring || w->draining)
		w->result->statuses[status]++;
	if (!keep || w->options->close || c->state < CLIENT_WAITING) {
		client_fail(w, c, ERROR_STATUS);
		return false;
	}
	client_count_error(w, ERROR_STATUS);
	client_request_failed(w, c, false);
	c->state = CLIENT_READY;
	client_check_limit(w);
	if (!w->over)
		client_free(w, c);
	return true;
}

/* Remembers the head of a good answer, if answers like it can be told by their length. */
static void learn(struct worker *w, const struct response *r, size_t have)
{
	struct known_answer *k = &w->known;
	bool no_body = r->head_only || r->status == 204 || r->status == 304;

	if (!r->head_done || r->status != w->options->expect_status || !r->keep_alive ||
	    r->chunked || r->until_eof || r->head_len > KNOWN_HEAD || r->head_len > have)
		return;
	memcpy(k->head, w->buffer, r->head_len);
	k->head_len = r->head_len;
	k->total = r->head_len + (no_body ? 0 : r->length);
}

/* The answer is complete; `extra` bytes follow that belong to nothing. */
static bool judge(struct worker *w, struct client *c, const struct response *r, bool extra,
		  bool hung_up)
{
	/* An answer nobody asked for (a refusal before the request), or to half a request. */
	bool early = c->state == CLIENT_READY || c->state == CLIENT_SENDING;

	if (r->status != w->options->expect_status)
		return wrong_status(w, c, r->status, r->keep_alive && !hung_up && !extra);
	if (extra || early) {
		client_fail(w, c, ERROR_PROTOCOL);
		return false;
	}
	return answered(w, c, r->keep_alive && !hung_up);
}

/* Gives n bytes to the parser. */
static bool parse(struct worker *w, struct client *c, size_t n, bool hung_up)
{
	bool fresh = c->state != CLIENT_READING;
	struct response *r = fresh ? &w->scratch : c->partial;
	size_t used;

	if (fresh)
		response_begin(r, w->target->head_only);
	enum response_result result = response_feed(r, w->buffer, n, &used);

	if (result == RESPONSE_BAD) {
		client_fail(w, c, ERROR_PROTOCOL);
		return false;
	}
	if (fresh)
		learn(w, r, n);
	if (result == RESPONSE_DONE)
		return judge(w, c, r, used < n, hung_up);
	if (c->state < CLIENT_WAITING) {
		/* The beginning of something unasked for: no answer can come of it. */
		client_fail(w, c,
			    r->head_done && r->status != w->options->expect_status
				    ? ERROR_STATUS
				    : ERROR_PROTOCOL);
		return false;
	}
	if (fresh) {
		if (c->partial == NULL && (c->partial = malloc(sizeof(*c->partial))) == NULL) {
			client_fail(w, c, ERROR_RESET);
			return false;
		}
		*c->partial = *r;
		c->state = CLIENT_READING;
	}
	return true;
}

/* n bytes are in the buffer. Returns whether the connection is still the same one. */
static bool took(struct worker *w, struct client *c, size_t n, bool hung_up)
{
	const struct known_answer *k = &w->known;

	if (w->measuring)
		w->result->bytes_received += n;
	if (c->state == CLIENT_READING && c->left != 0) {
		if (n > c->left) {
			client_fail(w, c, ERROR_PROTOCOL);
			return false;
		}
		c->left -= n;
		return c->left != 0 || answered(w, c, !hung_up);
	}
	if (c->state == CLIENT_WAITING && k->head_len != 0 && n >= k->head_len && n <= k->total &&
	    memcmp(w->buffer, k->head, k->head_len) == 0) {
		if (n == k->total)
			return answered(w, c, !hung_up);
		c->left = k->total - n;
		c->state = CLIENT_READING;
		return true;
	}
	return parse(w, c, n, hung_up);
}

/* The connection ended: by a FIN (error == 0) or otherwise. */
static void ended(struct worker *w, struct client *c, int error)
{
	if (error == 0 && c->state == CLIENT_READING && c->left == 0 &&
	    response_eof(c->partial) == RESPONSE_DONE)
		judge(w, c, c->partial, false, true);
	else if (c->state == CLIENT_READY)
		client_lost(w, c);
	else
		client_fail(w, c, ERROR_RESET);
}

/* More may be there than one turn allows: asking epoll again reports it again, edge or not. */
static void come_back(struct worker *w, struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.u32 = (uint32_t)(c - w->clients)};

	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == -1)
		client_fail(w, c, ERROR_RESET);
}

void reply_read(struct worker *w, struct client *c, bool hung_up)
{
	for (int turn = 0; turn < READS_AT_ONCE; turn++) {
		ssize_t n = recv(c->fd, w->buffer, CLIENT_BUFFER, 0);
		int error = n == -1 ? errno : 0;

		tick(w);
		if (w->over || error == EAGAIN)
			return;
		if (error == EINTR)
			continue;
		if (n <= 0) {
			ended(w, c, error);
			return;
		}
		/* A short read has emptied the socket: what comes later is a new edge (epoll(7)).
		 */
		if (!took(w, c, (size_t)n, hung_up) || (n < CLIENT_BUFFER && !hung_up))
			return;
	}
	come_back(w, c);
}

/* A connection with an error: whether it was made first, and then broken by the server. (All other
 * bits of the event are set in both cases.) */
static bool was_made(const struct client *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return false;
	return error == 0 || error == ECONNRESET || error == EPIPE;
}

/* Events of a client that does not just wait for the first byte of an answer. */
static void other_event(struct worker *w, struct client *c, uint32_t events)
{
	bool hung_up = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

	if (c->state == CLIENT_CONNECTING) {
		tick(w);
		if ((events & (EPOLLHUP | EPOLLERR)) != 0 && !was_made(c)) {
			client_connect_failed(w, c, false);
			return;
		}
		if (w->over || (events & EPOLLOUT) == 0)
			return;
		client_connected(w, c);
	}
	if (c->state < CLIENT_READY)
		return;
	if ((events & EPOLLIN) != 0 || hung_up)
		reply_read(w, c, hung_up);
	if (c->state == CLIENT_SENDING && w->slow_gap_ns == 0 && (events & EPOLLOUT) != 0 &&
	    !w->over)
		client_send(w, c);
}

void reply_event(struct worker *w, struct client *c, uint32_t events)
{
	if (__builtin_expect(c->state != CLIENT_WAITING ||
				     (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
			     0)) {
		other_event(w, c, events);
		return;
	}
	if ((events & EPOLLIN) == 0)
		return; /* the EPOLLOUT that a new connection begins with */
	reply_read(w, c, false);
}
