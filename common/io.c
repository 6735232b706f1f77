/*
 * io.c - the steps of a connection, blocking and trying. See io.h.
 */
#include "io.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "clock.h"
#include "net.h"
#include "stats.h"
#include "stop.h"

/* ---- block ---- */

/* How far the socket's own time-out may reach beyond a deadline before it is set anew. */
#define SLACK_NS (50 * NS_PER_MILLISECOND)

static uint64_t inherited_timeout_ns;

struct blocking_socket blocking_socket(int fd)
{
	return (struct blocking_socket){fd, inherited_timeout_ns, inherited_timeout_ns};
}

/* Rounded up: a time-out of 0 would mean none at all. */
static int set_timeout(int fd, int option, uint64_t timeout_ns)
{
	uint64_t us = timeout_ns / 1000 + 1;
	struct timeval tv = {.tv_sec = (time_t)(us / 1000000),
			     .tv_usec = (suseconds_t)(us % 1000000)};

	return setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv);
}

int block_timeouts(int listener, uint64_t timeout_ns)
{
	inherited_timeout_ns = timeout_ns;
	if (set_timeout(listener, SO_RCVTIMEO, timeout_ns) < 0)
		return -1;
	return set_timeout(listener, SO_SNDTIMEO, timeout_ns);
}

/*
 * A blocking call knows no deadline; a socket option gives it a time-out. Setting it before each
 * call would cost a system call each time, so it is set only when it would last too long, or has
 * run out too early. *timeout_ns is what the socket has now. False: the deadline has passed.
 */
static bool limit_wait(int fd, int option, uint64_t *timeout_ns, uint64_t deadline, bool ran_out)
{
	uint64_t left = ns_until(deadline);

	if (left == 0)
		return false;
	if (*timeout_ns <= left + SLACK_NS && !ran_out)
		return true;
	count(SYS_SETSOCKOPT, 1);
	*timeout_ns = left;
	return set_timeout(fd, option, left) == 0;
}

/* After a call that failed: whether to repeat it, because it was only interrupted or ran out too
 * early. */
static bool repeat(bool *ran_out)
{
	*ran_out = errno == EAGAIN;
	if (errno == EINTR && stop_asked())
		net_end_input();
	return errno == EINTR || *ran_out;
}

void block_recv(struct blocking_socket *s, struct conn *c)
{
	char *span;
	size_t room = conn_room(c, &span);
	bool ran_out = false;

	while (limit_wait(s->fd, SO_RCVTIMEO, &s->recv_timeout_ns, c->deadline, ran_out)) {
		ssize_t n = recv(s->fd, span, room, 0);

		count(SYS_RECV, 1);
		if (n >= 0) {
			conn_recvd(c, (size_t)n, clock_ns());
			return;
		}
		if (!repeat(&ran_out)) {
			conn_lost(c);
			return;
		}
	}
	conn_timer(c, clock_ns());
}

void block_send(struct blocking_socket *s, struct conn *c)
{
	const char *span;
	size_t len = conn_data(c, &span);
	bool ran_out = false;
	uint64_t deadline = c->deadline < stop_deadline() ? c->deadline : stop_deadline();

	while (limit_wait(s->fd, SO_SNDTIMEO, &s->send_timeout_ns, deadline, ran_out)) {
		ssize_t n = send(s->fd, span, len, MSG_NOSIGNAL);

		count(SYS_SEND, 1);
		if (n >= 0) {
			conn_sent(c, (size_t)n, clock_ns());
			return;
		}
		if (!repeat(&ran_out)) {
			conn_lost(c);
			return;
		}
		deadline = c->deadline < stop_deadline() ? c->deadline : stop_deadline();
	}
	conn_timer(c, clock_ns());
}

void block_wait(struct conn *c)
{
	int error;

	do {
		if (stop_deadline() < c->deadline && ns_until(stop_deadline()) == 0) {
			conn_lost(c); /* the server's last five seconds are over */
			return;
		}
		struct timespec until =
			timespec_of(c->deadline < stop_deadline() ? c->deadline : stop_deadline());

		count(SYS_SLEEP, 1);
		error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		count(WAKEUPS, 1);
	} while (error == EINTR || ns_until(c->deadline) > 0);
	conn_timer(c, clock_ns());
}

void block_compute(struct conn *c)
{
	conn_compute(c);
	conn_computed(c, clock_ns());
}

void block_shut(struct blocking_socket *s, struct conn *c)
{
	try_shut(s->fd, c, clock_ns()); /* it never sleeps */
}

/* ---- try ---- */

/* After a call that failed: not ready is no failure, it will be reported when it is. */
static void lost_unless_not_ready(struct conn *c)
{
	if (errno != EAGAIN && errno != EINTR)
		conn_lost(c);
}

bool try_recv(int fd, struct conn *c, uint64_t now)
{
	char *span;
	size_t room = conn_room(c, &span);
	ssize_t n = recv(fd, span, room, MSG_DONTWAIT);

	count(SYS_RECV, 1);
	if (n >= 0)
		conn_recvd(c, (size_t)n, now);
	else
		lost_unless_not_ready(c);
	return n > 0;
}

bool try_send(int fd, struct conn *c, uint64_t now)
{
	const char *span;
	size_t len = conn_data(c, &span);
	ssize_t n = send(fd, span, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	count(SYS_SEND, 1);
	if (n >= 0)
		conn_sent(c, (size_t)n, now);
	else
		lost_unless_not_ready(c);
	return n == (ssize_t)len;
}

void try_shut(int fd, struct conn *c, uint64_t now)
{
	count(SYS_SHUTDOWN, 1);
	if (shutdown(fd, SHUT_WR) == 0)
		conn_shut(c, now);
	else
		conn_lost(c);
}
