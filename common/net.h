/*
 * net.h - sockets: the listener, accepting without ever spinning or dying, and blocking I/O with a
 * deadline.
 *
 * Called by the models. Every connection passes through net_accept (or net_admit) and net_close, so
 * this file knows which are open: enough to keep to --max-conns, to count, and to end them when the
 * server stops.
 */
#ifndef SIX_NET_H
#define SIX_NET_H

#include <stdbool.h>
#include <stdint.h>

/* Raises the soft limit of descriptors to the hard one and returns it. */
unsigned long net_raise_descriptor_limit(void);

/* Descriptors that are not connections: standard streams, listener, epoll or ring, reserve, trace.
 */
enum { NET_OTHER_DESCRIPTORS = 16 };

/* Binds and listens. An address in use is tried again for a second: the ring of an io_uring server
 * that has just exited is torn down a moment after it. Dies with a clear line. *port is set to the
 * real one. */
int net_listen(const char *host, uint16_t *port, int backlog, bool nonblocking);

/* Makes ready for up to `max_conns` connections of this process; dies when that cannot be. */
void net_init(unsigned long max_conns, bool nonblocking);

/*
 * The next connection, or -1 when there is none for now (or, of a blocking listener, when a signal
 * came). Whoever is one too many is answered 503 and closed in here, also when the process or the
 * machine has no descriptor left: a waiting client that cannot be accepted would otherwise keep the
 * listener ready for ever, and an event loop spinning. Close with net_close().
 */
int net_accept(int listener);

/* The same for a descriptor that something else accepted (io_uring). False: it was one too many and
 * is closed. */
bool net_admit(int fd);

/* What net_accept does when accept failed with `error`. True: accepting may go on at once. */
bool net_accept_failed(int listener, int error);

/* Answers 503 and closes a connection that was admitted and cannot be served after all. */
void net_refuse(int fd);

void net_close(int fd);

/* A child process has this connection now: closes our copy, and still counts it as open until it is
 * handed back. `clean`: the child closed it properly; else it is counted as closed here. */
void net_hand_over(int fd);
void net_handed_back(bool clean);

/* One more than the highest descriptor a connection can have: the size of a table by descriptor. */
unsigned long net_descriptors(void);

/* Whether the descriptor is an open connection. */
bool net_is_connection(int fd);

/* A millisecond's sleep, for when the machine is out of something that may come back. */
void net_pause(void);

/* Connections of this process that are open. */
unsigned long net_open(void);

/* Ends the input of every open connection, as if its client had finished sending: whoever waits for
 * a request sees the end, whoever waits for a reply still gets it. */
void net_end_input(void);

#endif
