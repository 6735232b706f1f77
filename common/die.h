/*
 * die.h - the end of a process that cannot do what it was asked, before it serves anyone.
 *
 * Only for the time before the accept loop: after it, a failure costs one connection, never the
 * server.
 */
#ifndef SIX_DIE_H
#define SIX_DIE_H

enum {
	EXIT_FAILED = 1, /* a failure at run time: port in use, too few descriptors */
	EXIT_USAGE = 2, /* bad options */
	EXIT_UNABLE = 77, /* this machine cannot run this model: callers mark it "n/a" */
};

/* Prints "program: message" as one line to stderr and exits with `status`. The message says what,
 * why and what to do. */
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The name that die() begins with. Must stay valid. */
extern const char *program_name;

#endif
