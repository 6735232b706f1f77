/*
 * trace.h - when each request was accepted, understood, waited for and answered (--trace FILE).
 *
 * Called by conn.c. One line a request, tab separated, written when its last byte was handed to the
 * kernel; times in microseconds since the server's start. The charts of the experiment `timeline`
 * are drawn from these lines. Off, it costs a NULL test.
 */
#ifndef SIX_TRACE_H
#define SIX_TRACE_H

#include <stdint.h>

#include "http.h"

struct trace;

/* Turns tracing on and writes the file's head. Returns 0, or -1 with errno. */
int trace_start(const char *file_name, uint64_t now);

/* One connection's record, or NULL when tracing is off (every call below takes NULL). */
struct trace *trace_open(uint64_t now);
void trace_close(struct trace *t);

/* What happened, and when; the callers below spare untraced requests the call. */
void trace_note_begun(struct trace *t, uint64_t now);
void trace_note_parsed(struct trace *t, struct http_text path, uint64_t now);
void trace_note_waited(struct trace *t, uint64_t now);
void trace_note_answered(struct trace *t, int status, uint64_t now);

/* The first byte of a request came; of a connection's first request, the accept counts instead. */
static inline void trace_begun(struct trace *t, uint64_t now)
{
	if (t)
		trace_note_begun(t, now);
}

/* The request is understood, the database starts. */
static inline void trace_parsed(struct trace *t, struct http_text path, uint64_t now)
{
	if (t)
		trace_note_parsed(t, path, now);
}

/* The database has answered. */
static inline void trace_waited(struct trace *t, uint64_t now)
{
	if (t)
		trace_note_waited(t, now);
}

/* The reply is out: writes the line. */
static inline void trace_answered(struct trace *t, int status, uint64_t now)
{
	if (t)
		trace_note_answered(t, status, now);
}

#endif
