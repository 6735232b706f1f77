/*
 * blocking.c - one thread serves one client at a time, and sleeps whenever that client makes it
 * wait.
 *
 * The simplest server there is, and the yardstick of all others: read, ask the database, write,
 * again. Each of these may sleep, and while it sleeps, nobody else is served. Twenty requests that
 * wait 100 ms each take two seconds, though the CPU had next to nothing to do.
 *
 * A kept-alive connection makes it worse: this server stays with its client until the client leaves
 * (or is silent for --idle-timeout), and everyone behind it waits in the listen queue, unanswered.
 *
 * Compare: thread.c (the same code, a thread for each client), select.c (one thread, all clients).
 */
#include "clock.h"
#include "conn.h"
#include "io.h"
#include "net.h"
#include "server.h"

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

static void run(int listener)
{
	int fd;

	while (server_accepting())
		if ((fd = net_accept(listener)) >= 0)
			serve(fd);
}

int main(int argc, char **argv)
{
	static const struct model model = {.name = MODEL, .run = run};

	return server_main(argc, argv, &model);
}
