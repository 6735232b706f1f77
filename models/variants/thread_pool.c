/*
 * thread_pool.c - thread.c with ONE idea changed: the threads are there before the clients, and
 * there are only so many.
 *
 * Nobody waits for a thread to be made, and ten thousand clients cannot make ten thousand. But a
 * thread stays with its client until the client leaves: with T threads the T+1st client waits in
 * the queue, connected and unanswered. For requests that wait D each, that is T/D requests a
 * second, whatever the CPU could do.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conn.h"
#include "die.h"
#include "io.h"
#include "net.h"
#include "server.h"
#include "stats.h"

static unsigned long threads = 10; /* --threads */
static const struct model_option options[] = {
	{"threads", "N", "threads in the pool (10)", &threads, 1, 10000}, {0}};

/* The clients that no thread has taken yet, first come first served. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int *queue; /* a ring with room for every connection there can be */
static unsigned long first, queued;

static void put(int fd)
{
	pthread_mutex_lock(&lock);
	queue[(first + queued++) % net_descriptors()] = fd;
	pthread_cond_signal(&not_empty);
	pthread_mutex_unlock(&lock);
}

static int take(void)
{
	pthread_mutex_lock(&lock);
	while (queued == 0)
		pthread_cond_wait(&not_empty, &lock);
	int fd = queue[first++ % net_descriptors()];

	queued--;
	pthread_mutex_unlock(&lock);
	return fd;
}

/* thread.c can have a lock here (--gil). The pool goes without: it is about waiting. */
static void compute(struct conn *c)
{
	block_compute(c);
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

static void *serve_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		serve(take());
	return NULL;
}

static void run(int listener)
{
	pthread_t thread;
	int fd;

	queue = calloc(net_descriptors(), sizeof *queue);
	if (!queue)
		die(EXIT_FAILED, "cannot make the queue: out of memory");
	for (unsigned long i = 0; i < threads; i++) {
		int error = pthread_create(&thread, NULL, serve_for_ever, NULL);

		count(SYS_CLONE, 1);
		if (error)
			die(EXIT_FAILED,
			    "cannot create thread %lu of %lu: %s; ask for fewer --threads", i + 1,
			    threads, strerror(error));
	}
	while (server_accepting())
		if ((fd = net_accept(listener)) >= 0)
			put(fd);
}

int main(int argc, char **argv)
{
	static const struct model model = {.name = MODEL, .run = run, .options = options};

	return server_main(argc, argv, &model);
}
