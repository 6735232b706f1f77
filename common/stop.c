/*
 * stop.c - asked to stop: noticed without losing the signal. See stop.h.
 */
#include "stop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "clock.h"
#include "die.h"

#define DRAIN_NS       (5 * NS_PER_SECOND)
#define KNOCK_AGAIN_NS (20 * NS_PER_MILLISECOND)

static atomic_bool
	asked; /* lock-free, so a handler may use it; volatile would not do for threads */
static _Atomic uint64_t deadline = NEVER;
static timer_t knocker;
static bool knocking; /* whether there is such a timer */
static sigset_t wait_mask;

static void on_stop(int signal_number)
{
	(void)signal_number;
	if (atomic_exchange(&asked, true))
		return;
	atomic_store(&deadline, clock_ns() + DRAIN_NS);
	if (knocking) {
		struct itimerspec every = {.it_value = timespec_of(KNOCK_AGAIN_NS),
					   .it_interval = timespec_of(KNOCK_AGAIN_NS)};
		int saved = errno;

		/* async-signal-safe (signal-safety(7)); a failure leaves the one interruption that
		 * just was */
		(void)timer_settime(knocker, 0, &every, NULL);
		errno = saved;
	}
}

static void on_knock(int signal_number)
{
	(void)signal_number; /* its only purpose is that the blocking call returns with EINTR */
}

static void handle(int signal_number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART: EINTR is the message */

	sigemptyset(&action.sa_mask);
	if (sigaction(signal_number, &action, NULL) < 0)
		die(EXIT_FAILED, "cannot handle signal %d: %s", signal_number, strerror(errno));
}

static void mask(int how)
{
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	if (sigprocmask(how, &stops, NULL) < 0)
		die(EXIT_FAILED, "cannot set the signal mask: %s", strerror(errno));
}

void stop_hold(void)
{
	mask(SIG_BLOCK);
}

void stop_release(void)
{
	mask(SIG_UNBLOCK);
}

void stop_install(bool masked)
{
	struct sigevent knock = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};

	/* A forked child may inherit that its parent was asked; it waits for its own signal. */
	atomic_store(&asked, false);
	atomic_store(&deadline, NEVER);
	handle(SIGTERM, on_stop);
	handle(SIGINT, on_stop);
	handle(SIGALRM, on_knock);
	handle(SIGPIPE, SIG_IGN); /* a client that hung up is an EPIPE from send, not the end */
	if (sigprocmask(SIG_BLOCK, NULL, &wait_mask) < 0)
		die(EXIT_FAILED, "cannot read the signal mask: %s", strerror(errno));
	sigdelset(&wait_mask, SIGTERM);
	sigdelset(&wait_mask, SIGINT);
	if (masked)
		return;
	if (timer_create(CLOCK_MONOTONIC, &knock, &knocker) < 0)
		die(EXIT_FAILED, "cannot make a timer: %s", strerror(errno));
	knocking = true;
	stop_release();
}

void stop_wakes_on(int signal_number)
{
	handle(signal_number, on_knock);
}

bool stop_asked(void)
{
	return asked;
}

uint64_t stop_deadline(void)
{
	return atomic_load_explicit(&deadline, memory_order_relaxed);
}

const sigset_t *stop_wait_mask(void)
{
	return &wait_mask;
}
