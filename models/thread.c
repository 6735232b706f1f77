/*
 * thread.c - a thread for each client, each of which sleeps whenever its own client makes it wait.
 *
 * serve() is blocking.c's to the letter: the code still reads as if there were one client in the
 * world. What changed is who calls it. Now it is the kernel's scheduler that goes from one client
 * to the next; the price is a stack and a kernel task for each, and a switch between them for each
 * wait.
 *
 * With kept-alive connections this is thread per connection; when clients close after each request,
 * thread per request. The server is the same: the client decides.
 *
 * Compare: blocking.c (one thread), epoll.c (no stack per client at all).
 */
#include <pthread.h>
#include <stdint.h>

#include "clock.h"
#include "conn.h"
#include "die.h"
#include "io.h"
#include "net.h"
#include "server.h"
#include "stats.h"

static unsigned long gil; /* --gil: one lock around all computing, as CPython has one */
static pthread_mutex_t interpreter = PTHREAD_MUTEX_INITIALIZER;

static const struct model_option options[] = {
	{.name = "gil",
	 .help = "threads take turns at computing (a global interpreter lock)",
	 .value = &gil},
	{0}};

static void compute(struct conn *c)
{
	if (gil)
		pthread_mutex_lock(&interpreter);
	block_compute(c);
	if (gil) /* and so it is free while this thread waits: threads do speed up waiting */
		pthread_mutex_unlock(&interpreter);
}

/* Serves one client from its first request to its last. Where it stands is where this code stands:
 * nothing has to be written down, since nobody else runs here while it waits. */
static void serve(int fd)
{
	struct blocking_socket s = blocking_socket(fd);
	struct conn_buffer buffer;
	struct conn c;

	conn_open(&c, &buffer, clock_ns());
	while (c.want != WANT_CLOSE) {
		while (c.want == WANT_RECV)
			block_recv(&s, &c); /* sleep until the request is here */
		while (c.want == WANT_WAIT)
			block_wait(&c); /* sleep until the database answers */
		if (c.want == WANT_COMPUTE)
			compute(&c);
		while (c.want == WANT_SEND)
			block_send(&s, &c); /* sleep while the socket is full */
		if (c.want == WANT_SHUT)
			block_shut(&s, &c);
	}
	conn_close(&c);
	net_close(fd);
}

static void *serve_in_thread(void *fd)
{
	serve((int)(intptr_t)fd); /* the number itself travels in the pointer: nothing is shared */
	return NULL;
}

static void run(int listener)
{
	pthread_attr_t detached;
	pthread_t thread;
	int fd;

	if (pthread_attr_init(&detached) != 0 ||
	    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) != 0)
		die(EXIT_FAILED, "cannot make ready for threads");
	while (server_accepting()) {
		if ((fd = net_accept(listener)) < 0)
			continue;
		count(SYS_CLONE, 1);
		if (pthread_create(&thread, &detached, serve_in_thread, (void *)(intptr_t)fd) != 0)
			net_refuse(fd); /* the machine has no thread left to give */
	}
}

int main(int argc, char **argv)
{
	static const struct model model = {.name = MODEL, .run = run, .options = options};

	return server_main(argc, argv, &model);
}
