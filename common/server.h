/*
 * server.h - everything about a server but its way of waiting: options, readiness line, workers,
 * stop.
 *
 * A model is a run() function and a name. Its main() is one line: return server_main(argc, argv,
 * &model).
 */
#ifndef SIX_SERVER_H
#define SIX_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* An option that one model has beyond the common ones: a switch (set to 1), or a number where
 * `argument` names one. A table of them ends with a NULL name. */
struct model_option {
	const char *name, *argument, *help;
	unsigned long *value, min, max;
};

struct model {
	const char *name; /* MODEL: the Makefile calls a model by its file's name */
	/* Serves until the server is told to stop, then returns. Called once in each worker. */
	void (*run)(int listener);
	/* Whether it waits for many at once: then sockets do not block, and signals come only in
	 * waits. */
	bool event_loop;
	/* Whether an event loop has threads beside it. */
	bool threads;
	/* Why this machine cannot run it, or NULL. NULL: it runs everywhere. */
	const char *(*unable)(void);
	const struct model_option *options;
};

int server_main(int argc, char **argv, const struct model *model);

/* How many processes share the listener. */
unsigned server_workers(void);

/* False once the server was told to stop: accept no more. The first false ends the input of all
 * connections (net_end_input). */
bool server_accepting(void);

/* False once the server was told to stop and everyone was answered, or the five seconds are over.
 */
bool server_running(void);

/* The earlier of `deadline` and the end of those five seconds: until when a wait may last. */
uint64_t server_wake_time(uint64_t deadline);

#endif
