/*
 * options.h - the command line of the load generator.
 *
 * Called by main.c, once. After options_parse() the struct is never changed again, and the workers
 * inherit it through fork().
 */
#ifndef LOADGEN_OPTIONS_H
#define LOADGEN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { OPTIONS_MAX_HEADERS = 32 };

/* Exit statuses, of DESIGN.md's contract. */
enum { EXIT_RUN_TIME = 1, EXIT_USAGE = 2 };

struct options {
	const char *url;
	const char *method;
	const char *headers[OPTIONS_MAX_HEADERS]; /* "Name: value" */
	const char *json_path, *hdr_path; /* NULL: none; "-": stdout */
	uint64_t connections, idle;
	uint64_t requests; /* -n; 0: the run ends by time */
	uint64_t duration_ns, ramp_ns, warmup_ns, timeout_ns, drain_ns;
	uint64_t seed;
	double rate_rps; /* -R; 0: closed loop */
	double slow_bps; /* --slow; 0: requests are sent at once */
	unsigned threads, header_count, sources;
	unsigned expect_status;
	pid_t server_pid; /* 0: none */
	int cpu; /* -1: not pinned */
	bool has_duration, poisson, close, allow_remote, no_stats;
	bool live; /* a line a second on stderr */
};

/* Fills *o from the command line. A wrong one ends the process with one line on stderr and status
 * EXIT_USAGE; --help and --version print and end it with 0. */
void options_parse(int argc, char **argv, struct options *o);

#endif
