/*
 * client.c - a connection's way: connect, ask, rest after a failure, close. Contract: client.h.
 */
#include "client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENT_CONNECTS = 3 }; /* failures of a connect in a row before they are errors */

#define FIRST_REST_NS	   (250 * NS_PER_MILLISECOND)
#define LONGEST_REST_NS	   (4 * NS_PER_SECOND)
#define CONNECT_TIMEOUT_NS (5 * NS_PER_SECOND)

void client_count_error(struct worker *w, enum error_kind kind)
{
	if (w->measuring || w->draining)
		w->result->errors[kind]++;
	else
		w->result->early_errors[kind]++;
}

void client_close(struct client *c)
{
	if (c->fd != -1)
		close(c->fd); /* nothing to be done about an error; epoll forgets the socket */
	c->fd = -1;
	c->state = CLIENT_CLOSED;
	c->left = 0;
	c->sent = 0;
	c->served = false;
}

/* Rests before the next try, twice as long after each failure in a row: a server that refuses must
 * not be hammered. By a random part less, so that a thousand refused clients do not come back as
 * one. */
static void rest(struct worker *w, struct client *c)
{
	uint64_t rest_ns = FIRST_REST_NS;

	client_close(c);
	if (c->failures < 255)
		c->failures++;
	for (unsigned i = 1; i < c->failures && rest_ns < LONGEST_REST_NS; i++)
		rest_ns *= 2;
	w->random = w->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	c->state = CLIENT_RESTING;
	c->wake_ns = w->now + rest_ns - (w->random >> 33) % (rest_ns / 2);
	w->dozing = true;
}

void client_check_limit(struct worker *w)
{
	uint64_t wanted = w->options->requests;

	if (wanted == 0 || w->over || w->draining)
		return;
	uint64_t answered = atomic_load(&w->run->answered), failed = atomic_load(&w->run->failed);
	bool reached = answered >= wanted || failed >= wanted;

	/* An open loop sends each entry of its timetable once, and failures are not made up for. */
	if (w->open_loop)
		reached = answered + failed >= wanted;
	if (!reached)
		return;
	uint64_t unset = NEVER;

	atomic_compare_exchange_strong(&w->run->end_ns, &unset, w->now);
	atomic_store(&w->run->stop, true);
	window_end(w, w->now);
	window_over(w);
	if (eventfd_write(w->run->go_fd, 1) == -1)
		abort(); /* cannot happen with an eventfd that nobody reads */
}

void client_request_failed(struct worker *w, struct client *c, bool timed_out)
{
	if (c->silent)
		return;
	w->result->all_failed++;
	w->result->failed += w->measuring || w->draining;
	window_level(w, -1);
	if (timed_out)
		window_odd_life(w, c); /* it took at least that long */
	else
		window_failed_life(w, c);
	if (w->options->requests == 0)
		return;
	atomic_fetch_add(&w->run->failed, 1);
	if (w->limited)
		atomic_fetch_add(&w->run->tickets, 1); /* another request may take its place */
}

void client_fail(struct worker *w, struct client *c, enum error_kind kind)
{
	bool in_flight = window_in_flight(w, c);

	client_count_error(w, kind);
	c->refused = kind != ERROR_CONNECT;
	if (in_flight)
		client_request_failed(w, c, kind == ERROR_TIMEOUT);
	rest(w, c);
	if (in_flight)
		client_check_limit(w);
}

void client_connect_failed(struct worker *w, struct client *c, bool count_it)
{
	if (window_in_flight(w, c))
		client_fail(w, c, ERROR_CONNECT);
	else if (count_it || c->failures + 1 >= PATIENT_CONNECTS)
		client_fail(w, c, ERROR_CONNECT);
	else
		rest(w, c);
}

/*
 * Requests must leave the moment they are stamped, all but the first of a connection (which does
 * anyway, RFC 1122 section 4.2.3.4): no Nagle; and on loopback, where nothing can be congested, not
 * the machine's own congestion control but reno, which every kernel has. Where the default is one
 * that paces (bbr), a request could wait for the pacer, and its wait would be taken for the
 * server's.
 */
static int send_at_once(const struct target *t, int fd)
{
	static const char RENO[] = "reno";
	int on = 1;

	if (t->loopback &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, RENO, sizeof(RENO) - 1) == -1 &&
	    errno != ENOENT && errno != EPERM) /* then with what there is */
		return -1;
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int new_socket(const struct worker *w)
{
	const struct target *t = w->target;
	int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* Each connection takes the next source address, all workers together. */
	unsigned source = (unsigned)w->result->connects * w->run->workers + w->index;
	bool many_sends = !w->options->close || w->slow_gap_ns != 0;

	if (fd == -1)
		return -1;
	if (target_bind(t, fd, source) == -1 || (many_sends && send_at_once(t, fd) == -1)) {
		close(fd);
		return -1;
	}
	return fd;
}

void client_connect(struct worker *w, struct client *c)
{
	const struct target *t = w->target;
	/* Edge-triggered and for both directions at once: this is the only epoll_ctl in a
	 * connection's life. RDHUP tells a FIN that arrived together with the last bytes of an
	 * answer. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.u32 = (uint32_t)(c - w->clients)};

	c->fd = new_socket(w);
	c->state = CLIENT_CONNECTING;
	c->wake_ns = w->now + (w->options->timeout_ns < CONNECT_TIMEOUT_NS ? w->options->timeout_ns
									   : CONNECT_TIMEOUT_NS);
	w->result->connects++;
	if (c->fd == -1 ||
	    (connect(c->fd, (const struct sockaddr *)&t->address, t->address_len) == -1 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == -1)
		client_connect_failed(w, c, false);
}

void client_connected(struct worker *w, struct client *c)
{
	w->progress_ns = w->now;
	if (w->options->close && !c->silent) {
		client_send(w, c);
		return;
	}
	c->state = CLIENT_READY;
	if (c->silent && !c->ever_answered) {
		c->start_ns = w->now;
		client_send(w, c);
	} else {
		client_free(w, c);
	}
}

static bool take_ticket(struct worker *w)
{
	if (!w->limited || atomic_fetch_sub(&w->run->tickets, 1) > 0)
		return true;
	atomic_fetch_add(&w->run->tickets, 1);
	return false;
}

static void park(struct worker *w, struct client *c)
{
	if (c->parked)
		return;
	c->parked = true;
	w->parked[(w->parked_first + w->parked_count++) % w->count] = (uint32_t)(c - w->clients);
}

struct client *client_unpark(struct worker *w)
{
	while (w->parked_count > 0) {
		struct client *c = &w->clients[w->parked[w->parked_first]];

		w->parked_first = (w->parked_first + 1) % w->count;
		w->parked_count--;
		c->parked = false;
		if (c->state == (w->options->close ? CLIENT_CLOSED : CLIENT_READY))
			return c;
	}
	return NULL;
}

void client_free(struct worker *w, struct client *c)
{
	if (!w->running || w->draining || w->over || c->silent)
		return;
	if (!w->open_loop) {
		if (take_ticket(w))
			client_begin(w, c, 0);
		else
			park(w, c);
	} else if (w->schedule.next_ns <= w->now && w->parked_count == 0) {
		uint64_t intended_ns = w->schedule.next_ns;

		schedule_advance(&w->schedule);
		client_begin(w, c, intended_ns);
	} else {
		park(w, c);
	}
}

void client_begin(struct worker *w, struct client *c, uint64_t intended_ns)
{
	tick(w); /* the life begins just before the send, not when it was decided on */
	if (w->draining || w->over)
		return;
	c->start_ns = w->now;
	c->intended_ns = intended_ns == 0 ? w->now : intended_ns;
	w->result->all_begun++;
	w->result->begun += w->measuring;
	window_level(w, 1);
	if (!w->options->close) {
		client_send(w, c);
		return;
	}
	client_connect(w, c);
	/* On loopback the handshake is over before connect() has returned, so the request can
	 * mostly leave without a round through epoll. */
	if (c->state == CLIENT_CONNECTING)
		client_send(w, c);
}

void client_send(struct worker *w, struct client *c)
{
	size_t len = w->request_len - c->sent;

	if (w->slow_gap_ns != 0 && !c->silent)
		len = 1;
	ssize_t n = send(c->fd, w->request + c->sent, len, MSG_NOSIGNAL);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		/* Not connected yet, or the socket is full: EPOLLOUT comes. */
		if (c->state != CLIENT_CONNECTING)
			c->state = CLIENT_SENDING;
		c->wake_ns = NEVER;
		return;
	}
	if (n == -1) {
		/* The server is gone; but it may have said why (a 503) before it went. */
		if (c->state == CLIENT_CONNECTING) {
			client_connect_failed(w, c, false);
			return;
		}
		c->state = CLIENT_WAITING;
		reply_read(w, c, true);
		return;
	}
	c->sent = (uint16_t)(c->sent + n);
	c->state = CLIENT_SENDING;
	if (c->sent == w->request_len) {
		c->sent = 0;
		c->state = CLIENT_WAITING;
	} else if (w->slow_gap_ns != 0) {
		c->wake_ns = w->now + w->slow_gap_ns;
		w->dozing = true;
	}
}

void client_lost(struct worker *w, struct client *c)
{
	bool served = c->served;

	w->result->closed_by_server++;
	if (c->silent && c->ever_answered) {
		client_close(c); /* counted as not open; to ask again would not be silent */
	} else if (w->draining) {
		client_close(c);
	} else if (served) {
		client_close(c);
		client_connect(w, c);
	} else {
		/* Accepted and closed without a word: a refusal. */
		client_fail(w, c, ERROR_RESET);
	}
}

static void scan_one(struct worker *w, struct client *c)
{
	switch (c->state) {
	case CLIENT_RESTING:
		w->dozing = true;
		if (w->now < c->wake_ns || w->draining)
			return;
		if (w->options->close && !c->silent) {
			c->state = CLIENT_CLOSED;
			client_free(w, c);
		} else {
			client_connect(w, c);
		}
		return;
	case CLIENT_CONNECTING:
		if (!window_in_flight(w, c)) {
			if (w->now >= c->wake_ns)
				client_connect_failed(w, c, true);
			return;
		}
		break;
	case CLIENT_SENDING:
		w->dozing |= w->slow_gap_ns != 0;
		if (w->now >= c->wake_ns)
			client_send(w, c);
		break;
	case CLIENT_WAITING:
	case CLIENT_READING:
		break;
	default:
		return;
	}
	if (c->state >= CLIENT_CONNECTING && w->now - c->start_ns >= w->options->timeout_ns)
		client_fail(w, c, ERROR_TIMEOUT);
}

void client_scan(struct worker *w)
{
	struct client *c;

	w->dozing = false;
	for (uint32_t i = 0; i < w->count && !w->over; i++)
		scan_one(w, &w->clients[i]);
	/* -n: a failed request gave its ticket back, and a parked client may take it. */
	while (w->limited && !w->draining && !w->over && atomic_load(&w->run->tickets) > 0 &&
	       (c = client_unpark(w)) != NULL)
		client_free(w, c);
}
