/*
 * verdict.h - may this run be believed?
 *
 * Called by report.c. A measurement can be wrong without anything looking wrong: the wished
 * connections were never open, or the generator, not the server, was the limit. The verdict says so
 * in the result itself, so that a chart can draw the point hollow.
 */
#ifndef LOADGEN_VERDICT_H
#define LOADGEN_VERDICT_H

#include <stddef.h>

#include "outcome.h"

/* Writes "valid" or "invalid: REASON; REASON" to text, cut off at size. */
void verdict_write(const struct outcome *out, char *text, size_t size);

/* Writes what a reader should know although the run is valid, as sentences; "" if there is nothing.
 */
void verdict_notes(const struct outcome *out, char *text, size_t size);

#endif
