/*
 * stop.h - SIGTERM and SIGINT: stop accepting, answer what is in flight, at most five seconds.
 *
 * Used by server.c, net.c and, for the mask, by the models that wait for many.
 *
 * A signal that comes between "shall I stop?" and a wait that may last for ever must not be lost.
 * Waits that take a mask (pselect, ppoll, epoll_pwait2, io_uring_enter) close that gap in the
 * kernel: the signals are blocked except inside the wait. A plain accept or recv has no such mask;
 * for it the first signal starts a timer that goes on interrupting until the stop was noticed.
 */
#ifndef SIX_STOP_H
#define SIX_STOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Holds the signals back until stop_install(): called before anyone can know that the server is
 * there. */
void stop_hold(void);

/* Lets them come again, where the handlers are installed. */
void stop_release(void);

/* Installs the handlers and lets the signals come. `masked`: block the signals but for waits with
 * stop_wait_mask(). Dies on failure. */
void stop_install(bool masked);

/* Has one more signal interrupt blocking calls, and do nothing else. */
void stop_wakes_on(int signal_number);

bool stop_asked(void);

/* When the five seconds are over; NEVER until a stop was asked for. */
uint64_t stop_deadline(void);

/* The signal mask to wait with. */
const sigset_t *stop_wait_mask(void);

#endif
