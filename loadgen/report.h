/*
 * report.h - the results, for programs (JSON), for HdrHistogram's plotter and for people.
 *
 * Called by main.c after a run. The JSON's keys are a contract (DESIGN.md): keys may be added,
 * never changed. Latencies are microseconds there, milliseconds in the other two.
 */
#ifndef LOADGEN_REPORT_H
#define LOADGEN_REPORT_H

#include <stdio.h>

#include "outcome.h"

/* Write one form to a stream; the caller checks ferror(). */
void report_json(FILE *to, const struct outcome *out);
void report_text(FILE *to, const struct outcome *out);

/* The percentile table that HdrHistogram prints (outputPercentileDistribution), in ms. */
void report_hdr(FILE *to, const struct histogram *h);

/* Writes whatever the options ask for. Returns 0, or -1 after one line on stderr; a file that could
 * not be written whole is removed. */
int report_all(const struct outcome *out);

/* Before the run: whether the files asked for can be written at all. Returns 0, or -1 after one
 * line. */
int report_check(const struct options *o);

#endif
