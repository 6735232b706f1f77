/*
 * workers.h - several processes on one listener, supervised: --workers N.
 *
 * Called by server.c. The parent serves nobody: it starts the workers, replaces one that dies, and
 * passes SIGTERM and SIGINT on.
 */
#ifndef SIX_WORKERS_H
#define SIX_WORKERS_H

/* Runs serve(listener) in `workers` child processes until a stop is asked for and all have ended.
 */
void workers_run(unsigned workers, int listener, void (*serve)(int listener));

#endif
