/*
 * io.h - one step of a connection on its socket, in the two styles there are: block until it is
 * done, or try.
 *
 * Called by the models; here is every recv and send of a readiness or a blocking model. Each
 * function does the one step that c->want asks for and tells the core what came of it; a socket
 * that failed is a connection lost, never more.
 */
#ifndef SIX_IO_H
#define SIX_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"

/* ---- block: sleeps until the step is done, or the connection's deadline has passed ---- */

struct blocking_socket {
	int fd;
	uint64_t recv_timeout_ns, send_timeout_ns; /* as last set on the socket */
};

struct blocking_socket blocking_socket(int fd);
void block_recv(struct blocking_socket *s, struct conn *c);
void block_send(struct blocking_socket *s, struct conn *c);
void block_wait(struct conn *c); /* for the database */
void block_compute(struct conn *c);
void block_shut(struct blocking_socket *s, struct conn *c);

/* Gives a listener the time-outs that its connections inherit: it spares each of them two system
 * calls. Returns 0, or -1 with errno. */
int block_timeouts(int listener, uint64_t timeout_ns);

/* ---- try: never sleeps; what cannot be done now is left as it is ---- */

/* True: something came, and there may be more. False: nothing there (or lost, or the end). */
bool try_recv(int fd, struct conn *c, uint64_t now);

/* True: the socket took everything, and may take more. False: it is full (or lost). */
bool try_send(int fd, struct conn *c, uint64_t now);

void try_shut(int fd, struct conn *c, uint64_t now);

#endif
