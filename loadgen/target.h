/*
 * target.h - whom to ask, with which bytes, and from where.
 *
 * Called by main.c before anything is opened: reads the URL, resolves the host, refuses what is
 * not a loopback address (a load generator aimed at someone else's machine by a slip of the
 * keyboard is an attack), builds the request and chooses source addresses. Never changed
 * afterwards.
 */
#ifndef LOADGEN_TARGET_H
#define LOADGEN_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "options.h"

enum { TARGET_MAX_REQUEST = 16384 };

struct target {
	struct sockaddr_storage address;
	socklen_t address_len;
	bool loopback, head_only;
	unsigned sources; /* connections are spread over so many 127.0.0.x; 0: the kernel chooses */
	char authority[280]; /* host:port as in the Host field */
	char request[TARGET_MAX_REQUEST];
	size_t request_len;
	char model[64]; /* the server's own name from /stats; "" when unknown */
};

/* Fills *t. A URL that cannot be used ends the process with one line and EXIT_USAGE, a host that
 * cannot be resolved with EXIT_RUN_TIME. */
void target_prepare(struct target *t, const struct options *o);

/* Connects once and, unless o->no_stats, asks GET /stats for the server's name. A server that
 * cannot be reached ends the process with one line and EXIT_RUN_TIME; one that has no /stats is no
 * error. */
void target_probe(struct target *t, const struct options *o);

/* Binds a new socket to source address number `index`. Returns 0, or -1 with errno. Nothing is done
 * where the kernel chooses. */
int target_bind(const struct target *t, int fd, unsigned index);

#endif
