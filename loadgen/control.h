/*
 * control.h - one run from the first fork to the merged numbers.
 *
 * Called by main.c. Forks the workers, waits until everything is open, sets the measured window,
 * samples the server at its edges, shows the live line, ends early on SIGINT and SIGTERM, and
 * leaves no child behind: each is waited for, and dies with its parent.
 */
#ifndef LOADGEN_CONTROL_H
#define LOADGEN_CONTROL_H

#include "options.h"
#include "outcome.h"
#include "target.h"

/* Runs. Returns 0 with *out filled in, or the exit status after one line on stderr. */
int control_run(const struct options *o, const struct target *t, struct outcome *out);

#endif
