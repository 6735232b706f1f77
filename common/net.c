/*
 * net.c - sockets. See net.h.
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "clock.h"
#include "conn.h"
#include "die.h"
#include "io.h"
#include "stats.h"
#include "stop.h"

#define BIND_PATIENCE_NS NS_PER_SECOND

static bool accept_nonblocking;
static unsigned long max_open;
static atomic_ulong open_now;
static atomic_uchar *is_open; /* by descriptor */
static unsigned long descriptors;
static int reserve = -1; /* a descriptor to give up when there is no other */
static char refusal[APP_MAX_HEAD + APP_MAX_TEXT];
static size_t refusal_len;

/* ---- before the accept loop ---- */

unsigned long net_raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die(EXIT_FAILED, "cannot read the descriptor limit: %s", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die(EXIT_FAILED, "cannot raise the descriptor limit to %lu: %s",
		    (unsigned long)limit.rlim_max, strerror(errno));
	return limit.rlim_max;
}

static struct addrinfo *resolve(const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char service[8];

	snprintf(service, sizeof service, "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		die(EXIT_USAGE,
		    "--host %s is not a numeric address; for this machine alone use 127.0.0.1",
		    host);
	return found;
}

static void set_port(struct addrinfo *address, uint16_t port)
{
	if (address->ai_family == AF_INET6)
		((struct sockaddr_in6 *)address->ai_addr)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)address->ai_addr)->sin_port = htons(port);
}

/*
 * Binds to some free port below the ones the kernel gives to outgoing connections: ten thousand
 * clients on this same machine would otherwise sooner or later need the very port their server
 * listens on.
 */
static bool bind_any(int fd, struct addrinfo *address)
{
	enum { LOWEST = 10000, PORTS = 32768 - LOWEST, TRIES = 64 };
	unsigned seed = (unsigned)(clock_ns() ^ (uint64_t)getpid() << 20);

	for (int i = 0; i < TRIES; i++) {
		set_port(address, (uint16_t)(LOWEST + rand_r(&seed) % PORTS));
		if (bind(fd, address->ai_addr, address->ai_addrlen) == 0)
			return true;
	}
	set_port(address, 0);
	return bind(fd, address->ai_addr, address->ai_addrlen) == 0;
}

static void set_option(int fd, int level, int name, const char *what)
{
	if (setsockopt(fd, level, name, &(int){1}, sizeof(int)) < 0)
		die(EXIT_FAILED, "cannot set %s: %s", what, strerror(errno));
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		die(EXIT_FAILED, "cannot read the port back: %s", strerror(errno));
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

int net_listen(const char *host, uint16_t *port, int backlog, bool nonblocking)
{
	struct addrinfo *address = resolve(host, *port);
	uint64_t patience_ends = clock_ns() + BIND_PATIENCE_NS;
	int flags = SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
	int fd = socket(address->ai_family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die(EXIT_FAILED, "cannot make a socket: %s", strerror(errno));
	set_option(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
	/* Connections inherit it from their listener (Linux): one call here saves one a connection.
	 */
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
	while (!(*port ? bind(fd, address->ai_addr, address->ai_addrlen) == 0
		       : bind_any(fd, address)) ||
	       listen(fd, backlog) < 0) {
		if (errno == EADDRINUSE && clock_ns() < patience_ends) {
			net_pause();
			continue;
		}
		die(EXIT_FAILED, "cannot listen on %s:%u: %s; %s", host, *port, strerror(errno),
		    errno == EADDRINUSE
			    ? "stop the program that has the port, or choose another --port"
			    : "choose another --host or --port");
	}
	freeaddrinfo(address);
	*port = bound_port(fd);
	/* Time-outs, too, are inherited. That a blocking accept now times out as well does no harm.
	 */
	if (!nonblocking && block_timeouts(fd, conn_config.request_timeout_ns) < 0)
		die(EXIT_FAILED, "cannot set a time-out: %s", strerror(errno));
	return fd;
}

void net_init(unsigned long max_conns, bool nonblocking)
{
	struct reply reply;

	descriptors = max_conns + NET_OTHER_DESCRIPTORS;
	max_open = max_conns;
	accept_nonblocking = nonblocking;
	is_open = calloc(descriptors, sizeof *is_open);
	reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!is_open || reserve < 0)
		die(EXIT_FAILED, "cannot make ready for connections: %s", strerror(errno));
	app_refuse(503, &reply);
	refusal_len = app_render(&reply, refusal);
}

/* ---- accepting ---- */

/* Says 503 and closes, at once: nothing here may wait. The client's request, if it has come
 * already, is read, since closing over unread bytes resets the connection and may destroy the
 * reply. */
static void turn_away(int fd)
{
	char unread[4096];

	count(CONNS_REFUSED, 1);
	count(CONNS_CLOSED, 1);
	count(SYS_SEND, 1);
	if (send(fd, refusal, refusal_len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		count(SYS_SHUTDOWN, 1);
		if (shutdown(fd, SHUT_WR) == 0)
			do
				count(SYS_RECV, 1);
			while (recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0);
	}
	count(SYS_CLOSE, 1);
	close(fd); /* nothing to do about a failure: the descriptor is gone either way (close(2)) */
}

bool net_admit(int fd)
{
	count(CONNS_ACCEPTED, 1);
	if (atomic_fetch_add(&open_now, 1) >= max_open || (unsigned long)fd >= descriptors) {
		atomic_fetch_sub(&open_now, 1);
		turn_away(fd);
		return false;
	}
	atomic_store_explicit(&is_open[fd], 1, memory_order_relaxed);
	return true;
}

/* No descriptor left: gives up the reserve for a moment to take one client and send it away. */
static bool turn_away_one(int listener)
{
	bool done = false;

	if (reserve < 0)
		return false;
	close(reserve);
	count(SYS_ACCEPT, 1);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		count(CONNS_ACCEPTED, 1);
		turn_away(fd);
		done = true;
	}
	reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return done;
}

bool net_accept_failed(int listener, int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case EBADF: /* the listener is closed or shut: the server is stopping */
	case EINVAL:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (turn_away_one(listener))
			return true;
		net_pause();
		if (reserve < 0)
			reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return false;
	default: /* this connection failed before it was accepted, the next may be well (accept(2))
		  */
		return true;
	}
}

int net_accept(int listener)
{
	for (;;) {
		count(SYS_ACCEPT, 1);
		int fd = accept4(listener, NULL, NULL,
				 SOCK_CLOEXEC | (accept_nonblocking ? SOCK_NONBLOCK : 0));

		if (fd >= 0) {
			return net_admit(fd) ? fd : -1;
		} else if (!net_accept_failed(listener, errno)) {
			return -1;
		}
	}
}

static void forget(int fd)
{
	atomic_store_explicit(&is_open[fd], 0, memory_order_relaxed);
	atomic_fetch_sub(&open_now, 1);
}

void net_refuse(int fd)
{
	forget(fd);
	turn_away(fd);
}

void net_close(int fd)
{
	forget(fd); /* first: the number may be given to the next connection the moment it is closed
		     */
	count(CONNS_CLOSED, 1);
	count(SYS_CLOSE, 1);
	close(fd); /* as above */
}

void net_hand_over(int fd)
{
	atomic_store_explicit(&is_open[fd], 0, memory_order_relaxed);
	count(SYS_CLOSE, 1);
	close(fd);
}

void net_handed_back(bool clean)
{
	atomic_fetch_sub(&open_now, 1);
	if (!clean)
		count(CONNS_CLOSED, 1);
}

unsigned long net_descriptors(void)
{
	return descriptors;
}

bool net_is_connection(int fd)
{
	return atomic_load_explicit(&is_open[fd], memory_order_relaxed);
}

void net_pause(void)
{
	struct timespec pause = timespec_of(NS_PER_MILLISECOND);

	nanosleep(&pause, NULL); /* cut short by a signal: just as well */
}

unsigned long net_open(void)
{
	return atomic_load(&open_now);
}

void net_end_input(void)
{
	for (unsigned long fd = 0; fd < descriptors; fd++) {
		if (!atomic_load_explicit(&is_open[fd], memory_order_relaxed))
			continue;
		count(SYS_SHUTDOWN, 1);
		(void)shutdown((int)fd, SHUT_RD); /* fails where the client is gone: just as well */
	}
}
