/*
 * micro.h - what the micro-benchmarks here share: failing, the clock, numbers from the command
 * line.
 *
 * Each is a program of one file; so these are static inline. PROGRAM is the program's name, defined
 * before this is included.
 */
#ifndef SIX_MICRO_H
#define SIX_MICRO_H

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_UNSUPPORTED = 77 };

/* "PROGRAM: message" on stderr, and the end. */
static inline _Noreturn __attribute__((format(printf, 2, 3))) void fail(int status,
									const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, PROGRAM ": ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(status);
}

/* Microseconds on a clock that only goes forward. */
static inline double clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail with this clock */
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* An option's number; ends the program with a line that says so if it is none in that range. */
static inline double number(const char *option, const char *text, double least, double most)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most))
		fail(STATUS_USAGE, "%s wants a number from %.0f to %.0f, not '%s'", option, least,
		     most, text);
	return value;
}

/* Keeps this process, and all it starts, on one core. */
static inline void pin(long core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		fail(STATUS_FAILED, "cannot pin to core %ld: %s", core, strerror(errno));
}

#endif
