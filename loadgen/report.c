/*
 * report.c - the results for people and for HdrHistogram's plotter, and where all of them go; the
 * contract is in report.h.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verdict.h"

/* A duration in the unit that suits it, always nine characters: six of them and their names fit
 * into a hundred columns. */
static const char *human(double ns, char text[24])
{
	if (ns < 1e6)
		snprintf(text, 24, "%6.1f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(text, 24, "%6.2f ms", ns / 1e6);
	else
		snprintf(text, 24, "%6.2f s ", ns / 1e9);
	return text;
}

static void latency_line(FILE *to, const char *name, const struct histogram *h)
{
	char t[7][24];

	fprintf(to, "%s  mean %s p50 %s p90 %s p99 %s p99.9 %s max %s\n", name,
		human(histogram_mean(h), t[0]), human((double)histogram_quantile(h, 0.5), t[1]),
		human((double)histogram_quantile(h, 0.9), t[2]),
		human((double)histogram_quantile(h, 0.99), t[3]),
		human((double)histogram_quantile(h, 0.999), t[4]), human((double)h->max_ns, t[5]));
}

static void server_lines(FILE *to, const struct outcome *out)
{
	const struct proc_sample *b = &out->end;
	double requests = out->sum.answered == 0 ? 1 : (double)out->sum.answered;

	fprintf(to,
		"server       %.0f %% of a core  %.2f us of CPU and %.2f context switches a "
		"request\n",
		100 * outcome_server_share(out),
		(double)outcome_server_cpu_ns(out) / 1e3 / requests,
		(double)(out->switches.voluntary + out->switches.involuntary) / requests);
	fprintf(to,
		"             %llu threads  PSS %.1f MB  RSS %.1f MB  virtual %.0f MB  page "
		"tables %.1f MB\n",
		(unsigned long long)b->threads, (double)b->pss_kb / 1e3, (double)b->rss_kb / 1e3,
		(double)b->vsz_kb / 1e3, (double)b->page_tables_kb / 1e3);
}

static void error_line(FILE *to, const struct outcome *out)
{
	const uint64_t *e = out->sum.errors;

	if (outcome_errors(out) == 0) {
		fputs("errors       none\n", to);
		return;
	}
	fprintf(to,
		"errors       connect %llu  timeout %llu  reset %llu  status %llu  protocol %llu\n",
		(unsigned long long)e[ERROR_CONNECT], (unsigned long long)e[ERROR_TIMEOUT],
		(unsigned long long)e[ERROR_RESET], (unsigned long long)e[ERROR_STATUS],
		(unsigned long long)e[ERROR_PROTOCOL]);
}

static void notes(FILE *to, const struct outcome *out)
{
	char text[2000];

	verdict_notes(out, text, sizeof(text));
	for (char *line = text, *end; *line != '\0'; line = end) {
		end = line + strcspn(line, "\n");
		fprintf(to, "note         %.*s\n", (int)(end - line), line);
		end += *end == '\n';
	}
}

void report_text(FILE *to, const struct outcome *out)
{
	const struct options *o = out->options;
	const struct result *r = &out->sum;
	const char *model = out->target->model;
	char verdict[1200];

	fprintf(to, "%s%s%s, %llu connections%s, ", o->url, model[0] == '\0' ? "" : " by ", model,
		(unsigned long long)o->connections, o->close ? ", one request each" : "");
	if (o->rate_rps != 0)
		fprintf(to, "open loop at %g requests/s\n", o->rate_rps);
	else
		fprintf(to, "closed loop\n");
	fprintf(to, "requests     %llu in %.2f s: %.1f/s%s\n", (unsigned long long)r->answered,
		out->duration_s, out->duration_s > 0 ? (double)r->answered / out->duration_s : 0,
		out->interrupted ? " (interrupted)" : "");
	latency_line(to, "latency    ", &r->latency);
	if (o->rate_rps != 0)
		latency_line(to, "from intent", &r->intended);
	error_line(to, out);
	fprintf(to,
		"connections  %llu of %llu open, %llu never answered; requests each %llu to %llu\n",
		(unsigned long long)r->open, (unsigned long long)o->connections,
		(unsigned long long)r->never_answered, (unsigned long long)r->least_answered,
		(unsigned long long)r->most_answered);
	if (o->idle != 0)
		fprintf(to, "idle         %llu of %llu open, %llu answered\n",
			(unsigned long long)r->idle_open, (unsigned long long)o->idle,
			(unsigned long long)r->idle_answered);
	fprintf(to, "in flight    %.1f on average, %llu at the end; Little's law %.4f\n",
		outcome_in_flight(out), (unsigned long long)r->in_flight_at_end,
		outcome_little(out));
	if (out->has_server)
		server_lines(to, out);
	fprintf(to, "generator    %.0f %% of a core, %.2f us a request; lag p99 %.1f us\n",
		r->window_ns == 0 ? 0 : 100 * (double)r->cpu_ns / (double)r->window_ns,
		r->answered == 0 ? 0 : (double)r->cpu_ns / 1e3 / (double)r->answered,
		(double)histogram_quantile(&r->lag, 0.99) / 1e3);
	notes(to, out);
	verdict_write(out, verdict, sizeof(verdict));
	fprintf(to, "verdict      %s\n", verdict);
}

/*
 * The table has five lines for each halving of the distance to 100 %, so that the far tail gets as
 * many as the middle: that is what HdrHistogram does, and its plotter expects.
 */
void report_hdr(FILE *to, const struct histogram *h)
{
	fprintf(to, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	double rest = 1;

	for (int tick = 0; h->count != 0; tick++) {
		double at = 1 - rest + rest * (tick % 5) / 10;
		uint64_t value = histogram_quantile(h, at);
		uint64_t upto = histogram_rank(h, value);
		bool last = upto >= h->count;

		if (last)
			fprintf(to, "%12.6f %14.12f %10llu %14s\n", (double)h->max_ns / 1e6, 1.0,
				(unsigned long long)h->count, "inf");
		else
			fprintf(to, "%12.6f %14.12f %10llu %14.2f\n", (double)value / 1e6, at,
				(unsigned long long)upto, 1 / (1 - at));
		if (last)
			break;
		if (tick % 5 == 4)
			rest /= 2;
	}
	fprintf(to, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n", histogram_mean(h) / 1e6,
		histogram_stddev(h) / 1e6);
	fprintf(to, "#[Max     = %12.6f, Total count    = %12llu]\n", (double)h->max_ns / 1e6,
		(unsigned long long)h->count);
	fprintf(to, "#[Buckets = %12d, SubBuckets     = %12d]\n",
		HISTOGRAM_BUCKETS / HISTOGRAM_PER_OCTAVE, HISTOGRAM_PER_OCTAVE);
}

static int failed(const char *path)
{
	fprintf(stderr, "loadgen: cannot write %s: %s\n", path, strerror(errno));
	return -1;
}

/* Writes one report (JSON if h is NULL) to a file, whole or not at all. */
static int write_file(const char *path, const struct outcome *out, const struct histogram *h)
{
	bool to_stdout = strcmp(path, "-") == 0;
	FILE *to = to_stdout ? stdout : fopen(path, "we");

	if (to == NULL)
		return failed(path);
	if (h == NULL)
		report_json(to, out);
	else
		report_hdr(to, h);
	bool bad = fflush(to) != 0 || ferror(to) != 0;

	if (!to_stdout && fclose(to) != 0)
		bad = true;
	if (!bad)
		return 0;
	int error = errno;

	if (!to_stdout)
		unlink(path);
	errno = error;
	return failed(path);
}

int report_all(const struct outcome *out)
{
	const struct options *o = out->options;
	bool own_stdout = true;
	int result = 0;

	if (o->json_path != NULL) {
		own_stdout &= strcmp(o->json_path, "-") != 0;
		result |= write_file(o->json_path, out, NULL);
	}
	if (o->hdr_path != NULL && o->rate_rps == 0) {
		own_stdout &= strcmp(o->hdr_path, "-") != 0;
		result |= write_file(o->hdr_path, out, &out->sum.latency);
	} else if (o->hdr_path != NULL) {
		/* Of an open loop both: the file is what users feel, the one beside it what a
		 * closed loop's stopwatch would have seen. */
		char sent[4096];

		own_stdout &= strcmp(o->hdr_path, "-") != 0;
		result |= write_file(o->hdr_path, out, &out->sum.intended);
		snprintf(sent, sizeof(sent), "%s.sent", o->hdr_path);
		if (strcmp(o->hdr_path, "-") != 0)
			result |= write_file(sent, out, &out->sum.latency);
	}
	if (own_stdout) {
		report_text(stdout, out);
		if (fflush(stdout) != 0)
			result |= failed("the results");
	}
	return result;
}

static int check_path(const char *path)
{
	if (path == NULL || strcmp(path, "-") == 0)
		return 0;
	struct stat st;
	const char *slash = strrchr(path, '/');
	char directory[4096];

	if (stat(path, &st) == 0)
		return access(path, W_OK) == 0 ? 0 : failed(path);
	snprintf(directory, sizeof(directory), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
		 slash == NULL ? "." : path);
	return access(directory, W_OK | X_OK) == 0 ? 0 : failed(path);
}

int report_check(const struct options *o)
{
	return check_path(o->json_path) | check_path(o->hdr_path);
}
