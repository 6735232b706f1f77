/*
 * conn.h - one HTTP connection without any I/O: bytes in, bytes out, and what it wants next.
 *
 * This struct is the stack frame that an event loop loses. A blocking server keeps
 * "where was I with this client?" in the local variables of a sleeping thread; a
 * server that never sleeps for one client has to write it down, and this is where.
 *
 * All six models drive the same core: they look at `want` and `deadline` after each
 * call, and at nothing else. Buffers cross this line, readiness does not: so it serves
 * readiness (select, poll, epoll do the recv and send themselves) and completion
 * (io_uring hands the same spans to the kernel), and it can be tested split at every
 * byte with no socket at all.
 *
 * What a model does for each want:
 *   WANT_RECV     read into conn_room(), then conn_recvd(); 0 bytes mean the client has
 *                 finished sending. Only now may conn_room and conn_recvd be called.
 *   WANT_WAIT     nothing until `deadline` (the database works), then conn_timer()
 *   WANT_COMPUTE  conn_compute() (long; the CPU works), then conn_computed()
 *   WANT_SEND     write from conn_data(), then conn_sent()
 *   WANT_SHUT     shutdown(fd, SHUT_WR), then conn_shut(): the reply is out but the client may
 *                 still be sending, and a close now could destroy the reply on its way
 *                 (RFC 9112 section 9.6)
 *   WANT_CLOSE    conn_close(), then close the socket
 * In WANT_RECV and WANT_SEND, too, conn_timer() is called when `deadline` has passed: the client
 * is too slow.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC (clock.h). Memory: an idle connection
 * holds no buffer. Input is received into a buffer that all connections of a thread share and
 * copied aside only while a request is incomplete; output is held only while unsent.
 */
#ifndef SIX_CONN_H
#define SIX_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app.h"
#include "http.h"

enum want { WANT_RECV, WANT_WAIT, WANT_COMPUTE, WANT_SEND, WANT_SHUT, WANT_CLOSE };

enum { CONN_BUFFER = HTTP_MAX_HEAD };

/* The receive buffer that the connections of one thread share. */
struct conn_buffer {
	char bytes[CONN_BUFFER];
};

struct conn_bytes; /* bytes held between calls: conn.c */
struct trace; /* trace.h */

struct conn {
	uint64_t deadline; /* when to call conn_timer() */
	struct conn_buffer *shared;
	struct conn_bytes *in; /* input not understood yet, or NULL */
	struct conn_bytes *out; /* output rendered and not sent yet, or NULL */
	struct trace *trace; /* NULL unless --trace */
	uint64_t sent; /* of the reply's body: bytes, or pieces of a stream */
	struct reply reply;
	struct http_body body;
	uint8_t want; /* enum want */
	bool begun; /* the first byte of a request has come, its reply is not out yet */
	bool replying; /* the request is complete, its reply is not out yet */
	bool draining; /* the last reply is out; what still comes is thrown away */
};

/* Set once by server.c, before any model runs. */
extern struct conn_config {
	uint64_t request_timeout_ns; /* for a request to be complete, and for a reply to move on */
	uint64_t idle_timeout_ns; /* for the next request to begin */
} conn_config;

/* Begins a connection accepted at `now`. `shared` must outlive it. No memory is taken. */
void conn_open(struct conn *c, struct conn_buffer *shared, uint64_t now);

/* Where to put input, and how much fits (never 0). The span is valid until the next call. */
size_t conn_room(struct conn *c, char **span);
/* n bytes were put there; 0: the client will send no more. */
void conn_recvd(struct conn *c, size_t n, uint64_t now);

/* What to send next (never empty). The span stays valid, unchanged, until conn_sent() or
 * conn_close(): io_uring's kernel reads it later. */
size_t conn_data(struct conn *c, const char **span);
/* The first n bytes of it were sent; 0 is allowed and changes nothing. */
void conn_sent(struct conn *c, size_t n, uint64_t now);

/* `deadline` has passed: the database answered, or the client is too slow. */
void conn_timer(struct conn *c, uint64_t now);

/* In WANT_WAIT: the database begins only now (it was busy). Moves the deadline. */
void conn_delay(struct conn *c, uint64_t now);

/* Burns the CPU time the request asks for. Touches nothing that other calls touch, so another
 * thread may run it; the owner then calls conn_computed(). */
void conn_compute(const struct conn *c);
void conn_computed(struct conn *c, uint64_t now);

/* The sending side is shut down. */
void conn_shut(struct conn *c, uint64_t now);

/* The socket failed: there is nobody left to answer. */
void conn_lost(struct conn *c);

/* Gives all memory back. The struct may be thrown away or opened again. */
void conn_close(struct conn *c);

#endif
