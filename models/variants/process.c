/*
 * process.c - thread.c with ONE idea changed: a process for each client instead of a thread.
 *
 * The oldest way there is (inetd, CGI, the first Apache). serve() is the same; a client's crash is
 * now its own, and so is its memory: nothing is shared but what was there before the fork, and the
 * counters, which live in shared memory. The price is a process: page tables, a descriptor table, a
 * fork and a reaping for each client.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "conn.h"
#include "die.h"
#include "io.h"
#include "net.h"
#include "server.h"
#include "stats.h"
#include "stop.h"

static pid_t *children; /* one for each connection that is open */
static unsigned long living;

/* thread.c can have a lock here (--gil). Processes have a lock each, so it would change nothing. */
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

static _Noreturn void serve_in_child(int listener, int fd)
{
	close(listener); /* of this process's copies the parent's is the one that matters */
	stop_install(false);
	serve(fd);
	exit(0);
}

/* Takes note of the children that have ended. */
static void reap(void)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned long i = 0; i < living; i++) {
			if (children[i] == pid) {
				children[i] = children[--living];
				break;
			}
		}
		net_handed_back(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Tells the children to stop, and waits for those that still answer. */
static void end_children(void)
{
	for (unsigned long i = 0; i < living; i++)
		(void)kill(children[i], SIGTERM); /* fails only if it has just ended */
	while (living && server_running()) {
		net_pause();
		reap();
	}
}

static void run(int listener)
{
	int fd;

	children = calloc(net_descriptors(), sizeof *children);
	if (!children)
		die(EXIT_FAILED, "cannot keep a list of children: out of memory");
	stop_wakes_on(SIGCHLD);
	while (server_accepting()) {
		fd = net_accept(listener);
		reap();
		if (fd < 0)
			continue;
		stop_hold(); /* the child must have a timer of its own before a signal starts it */
		pid_t pid = fork();

		if (pid == 0)
			serve_in_child(listener, fd);
		count(SYS_CLONE, 1);
		stop_release();
		if (pid < 0) {
			net_refuse(fd); /* the machine has no process left to give */
			continue;
		}
		children[living++] = pid;
		net_hand_over(fd); /* the child has its own copy */
	}
	end_children();
}

int main(int argc, char **argv)
{
	static const struct model model = {.name = MODEL, .run = run};

	return server_main(argc, argv, &model);
}
