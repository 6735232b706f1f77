/*
 * epoll_blocking.c - epoll.c with ONE idea changed: it waits for the database inside the loop.
 *
 * The famous mistake. Everything about the loop is right, and one call in it sleeps (time.sleep in
 * an async def, a database driver that is not asynchronous). While it sleeps the loop does not
 * turn, and everybody waits: not only the client who asked the database, but all others too. It is
 * blocking.c with more code.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "container_of.h"
#include "die.h"
#include "io.h"
#include "net.h"
#include "server.h"
#include "stats.h"
#include "stop.h"
#include "timers.h"

static int epoll_fd = -1; /* the kernel's list of whom to watch */
static struct epoll_event events[512]; /* who is ready: the kernel's answer to the last wait */
static int looked_at; /* how far next_ready() has looked */
static int ready_left;

static unsigned long edge; /* --edge: who becomes ready is reported, who stays ready is not */
static const struct model_option options[] = {{"edge", 0, "edge-triggered", &edge, 0, 1}, {0}};

/* Watches a socket for readability or writability from now on; WANT_WAIT: for neither. */
static bool watch(int fd, enum want was, enum want want)
{
	struct epoll_event event = {want == WANT_SEND ? EPOLLOUT : EPOLLIN, {.fd = fd}};
	int change = was == WANT_WAIT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (epoll_fd < 0 && (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return false;
	if (want == WANT_WAIT)
		change = EPOLL_CTL_DEL; /* else hang-ups would still be reported */
	if (edge && net_is_connection(fd))
		event.events = EPOLLIN | EPOLLOUT | EPOLLET;
	count(SYS_WATCH, 1);
	return epoll_ctl(epoll_fd, change, fd, &event) == 0;
}

/* Stops watching a socket that is about to be closed. */
static void forget(int fd, enum want was)
{
	/* Closing takes a connection out by itself; a listener may be open in other workers. */
	if (!net_is_connection(fd))
		watch(fd, was, WANT_WAIT);
}

/* Sleeps until a socket is ready, until `deadline`, or until a signal comes. */
static void wait_ready(uint64_t deadline)
{
	struct timespec left = timespec_of(ns_until(deadline));

	ready_left = epoll_pwait2(epoll_fd, events, sizeof events / sizeof *events,
				  deadline == NEVER ? NULL : &left, stop_wait_mask());
	count(SYS_WAIT, 1);
	count(WAKEUPS, 1);
	count(SLOTS_SCANNED, ready_left > 0 ? (uint64_t)ready_left : 0);
	looked_at = -1;
	if (ready_left < 0 && errno != EINTR)
		net_pause(); /* out of memory: not a reason to spin */
}

/* The next ready socket of the last wait; -1: no more. */
static int next_ready(void)
{
	if (ready_left <= 0)
		return -1;
	ready_left--;
	return events[++looked_at].data.fd;
}

/* ---- from here on it is epoll.c, but for the sleep in advance(), and signals that end it ---- */

/* What blocking.c keeps on its stack, written down: this loop serves all at once. */
struct client {
	struct conn conn;
	struct timer timer;
	int fd;
	enum want watched; /* what the kernel watches its socket for */
};

enum {
	ACCEPT_BURST = 64, /* new clients a turn, so that a rush does not starve the others */
	SEND_BURST = 16 /* sends a turn for one client, for the same reason */
};

static struct client **clients; /* by descriptor */
static struct timers timers;
static struct conn_buffer buffer; /* one for all: nobody keeps input in it between two turns */

static void hang_up(struct client *k)
{
	forget(k->fd, k->watched);
	timers_cancel(&timers, &k->timer);
	conn_close(&k->conn);
	clients[k->fd] = NULL;
	net_close(k->fd);
	free(k);
}

/* Notes down what this client waits for, and lets it go: the loop has others to look after. */
static void wait_for(struct client *k)
{
	enum want want = k->conn.want;

	if (want != k->watched && (want == WANT_RECV || want == WANT_SEND)) {
		if (!watch(k->fd, k->watched, want))
			conn_lost(&k->conn);
		k->watched = want;
	}
	if (timers_set(&timers, &k->timer, k->conn.deadline) < 0)
		conn_lost(&k->conn);
	if (k->conn.want == WANT_CLOSE)
		hang_up(k);
}

/* Goes on with one client as far as it goes without waiting. */
static void advance(struct client *k, uint64_t now)
{
	struct conn *c = &k->conn;
	bool looked, got;
	int sends = 0;

	do {
		looked = c->want == WANT_RECV;
		got = looked && try_recv(k->fd, c, now);
		for (;;) {
			while (c->want == WANT_WAIT) {
				conn_delay(c, clock_ns()); /* the call is made now, ... */
				block_wait(c); /* ... and this is THE MISTAKE: nobody else runs */
				now = clock_ns();
			}
			if (c->want == WANT_COMPUTE) { /* meanwhile everybody else waits */
				block_compute(c);
				now = clock_ns();
			}
			/* Write first; writability is asked for only when the socket is full. */
			if (c->want != WANT_SEND || (sends++ == SEND_BURST && !edge) ||
			    !try_send(k->fd, c, now))
				break;
		}
		if (c->want == WANT_SHUT)
			try_shut(k->fd, c, now);
		/* Who is told only once has to look for himself until there is nothing left. */
	} while (edge && c->want == WANT_RECV && (got || !looked) && (now = clock_ns()));
	wait_for(k);
}

/* The kernel says this client's socket is ready. */
static void ready(struct client *k, uint64_t now)
{
	if (k->conn.want != WANT_WAIT) {
		advance(k, now);
	} else if (!edge) {
		/* It sent more, or left, while the database still works. Its turn comes later; but
		 * a level-triggered wait would report it again and again until then, so the kernel
		 * is asked to look away. */
		if (!watch(k->fd, k->watched, WANT_WAIT))
			conn_lost(&k->conn);
		k->watched = WANT_WAIT;
		wait_for(k);
	}
}

static void welcome(int fd, uint64_t now)
{
	struct client *k = calloc(1, sizeof *k);

	if (!k || !watch(fd, WANT_WAIT, WANT_RECV)) {
		free(k);
		net_refuse(fd);
		return;
	}
	k->fd = fd;
	k->watched = WANT_RECV;
	clients[fd] = k;
	conn_open(&k->conn, &buffer, now);
	wait_for(k);
}

static void accept_clients(int listener, uint64_t now)
{
	int fd;

	for (int i = 0; i < ACCEPT_BURST && (fd = net_accept(listener)) >= 0; i++)
		welcome(fd, now);
}

static void fire_timers(uint64_t now)
{
	struct timer *t;

	while ((t = timers_due(&timers, now)) != NULL) {
		struct client *k = container_of(t, struct client, timer);

		count(TIMERS_FIRED, 1);
		conn_timer(&k->conn, now);
		advance(k, now);
	}
}

static void run(int listener)
{
	bool accepting = true;
	int fd;

	stop_install(false); /* signals have to reach that sleep, too */
	clients = calloc(net_descriptors(), sizeof *clients);
	if (!clients || !watch(listener, WANT_WAIT, WANT_RECV))
		die(EXIT_FAILED, "cannot start to wait: %s", strerror(errno));
	while (server_running()) {
		wait_ready(server_wake_time(timers_next(&timers)));
		uint64_t now = clock_ns();

		while ((fd = next_ready()) >= 0) {
			if (clients[fd])
				ready(clients[fd], now);
			else if (fd == listener && server_accepting())
				accept_clients(listener, now);
		}
		fire_timers(now);
		if (accepting && !server_accepting()) {
			accepting = false;
			forget(listener, WANT_RECV);
			close(listener);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct model model = {
		.name = MODEL, .run = run, .event_loop = true, .options = options};

	return server_main(argc, argv, &model);
}
