/*
 * options.c - reading the command line; the contract is in options.h.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define VERSION "1.0"

static const char HELP[] =
	"usage: loadgen [options] http://HOST[:PORT][/PATH]\n"
	"\n"
	"Asks a web server for one URL over many connections and reports how it answered.\n"
	"Without -R in a closed loop: each connection asks again as soon as it was answered.\n"
	"With -R in an open loop: requests leave on a timetable, whether answers came or not.\n"
	"\n"
	"how much\n"
	"  -c, --connections N   connections (64)\n"
	"  -d, --duration S      measure for S seconds (10)\n"
	"  -n, --requests N      stop after N answered requests\n"
	"  -t, --threads N       worker processes (1, or as many as the descriptor limit asks "
	"for)\n"
	"  -R, --rate RATE       open loop: RATE requests a second over all connections\n"
	"      --poisson         random arrivals at that rate instead of evenly spaced ones\n"
	"      --seed N          of the random arrivals (1)\n"
	"      --warmup S        run for S seconds before measuring (0)\n"
	"      --ramp S          open the connections evenly over S seconds, asking at once\n"
	"how\n"
	"      --close           one request a connection (default: keep-alive)\n"
	"      --idle N          N further connections that ask once and then stay silent\n"
	"      --slow BYTES      send each request at BYTES a second\n"
	"      --timeout S       give a request up after S seconds (30)\n"
	"      --drain S         follow what is unanswered at the end for S more seconds (1)\n"
	"      --method NAME     GET (default), HEAD or another\n"
	"  -H, --header LINE     add a header field, \"Name: value\"\n"
	"      --expect-status N the status that counts as an answer (200)\n"
	"      --source-addresses N  spread connections over 127.0.0.2 and the N-1 after it\n"
	"      --cpu N           pin the generator to core N\n"
	"      --allow-remote    needed for a target that is not a loopback address\n"
	"what to report\n"
	"      --server-pid PID  measure that process and its children from /proc\n"
	"      --no-stats        do not ask the server for /stats (its name) beforehand\n"
	"      --json FILE       results as JSON; - is stdout\n"
	"      --hdr FILE        percentiles in HdrHistogram's text format; - is stdout\n"
	"      --live, --no-live a line a second on stderr (default: if it is a terminal)\n"
	"      --help, --version\n"
	"\n"
	"Durations are seconds and may have fractions. Ends with 0 when the run took place (look "
	"at\n"
	"the verdict), 1 when it could not, 2 on bad usage.\n";

__attribute__((noreturn, format(printf, 1, 2))) static void usage(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *c = line; *c != '\0'; c++)
		if (*c < ' ' || *c == 127)
			*c = '?'; /* what the user typed must not break the line, or the terminal */
	fprintf(stderr, "loadgen: %s (loadgen --help lists the options)\n", line);
	exit(EXIT_USAGE);
}

static uint64_t whole(const char *name, const char *text, uint64_t min, uint64_t max)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		usage("%s wants a whole number from %llu to %llu, not '%s'", name,
		      (unsigned long long)min, (unsigned long long)max, text);
	return n;
}

static double positive(const char *name, const char *text, double max, bool zero_too)
{
	char *end;

	errno = 0;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || errno != 0 || !isfinite(n) || n < 0 || n > max ||
	    (n == 0 && !zero_too))
		usage("%s wants a number %s 0 and at most %g, not '%s'", name,
		      zero_too ? "of at least" : "above", max, text);
	return n;
}

static uint64_t seconds(const char *name, const char *text, bool zero_too)
{
	uint64_t ns = (uint64_t)(positive(name, text, 86400, zero_too) * (double)NS_PER_SECOND);

	return ns == 0 && !zero_too ? 1 : ns;
}

static void add_header(struct options *o, const char *line)
{
	const char *colon = strchr(line, ':');

	if (colon == NULL || colon == line || strpbrk(line, "\r\n") != NULL ||
	    strcspn(line, " \t") < (size_t)(colon - line))
		usage("-H wants 'Name: value', not '%s'", line);
	if (o->header_count == OPTIONS_MAX_HEADERS)
		usage("at most %d -H", OPTIONS_MAX_HEADERS);
	o->headers[o->header_count++] = line;
}

enum {
	LONG_POISSON = 256,
	LONG_SEED,
	LONG_WARMUP,
	LONG_RAMP,
	LONG_CLOSE,
	LONG_IDLE,
	LONG_SLOW,
	LONG_TIMEOUT,
	LONG_DRAIN,
	LONG_METHOD,
	LONG_EXPECT,
	LONG_SOURCES,
	LONG_CPU,
	LONG_REMOTE,
	LONG_PID,
	LONG_NO_STATS,
	LONG_JSON,
	LONG_HDR,
	LONG_LIVE,
	LONG_NO_LIVE,
	LONG_HELP,
	LONG_VERSION
};

static const struct option LONG[] = {{"connections", required_argument, NULL, 'c'},
				     {"duration", required_argument, NULL, 'd'},
				     {"requests", required_argument, NULL, 'n'},
				     {"threads", required_argument, NULL, 't'},
				     {"rate", required_argument, NULL, 'R'},
				     {"header", required_argument, NULL, 'H'},
				     {"poisson", no_argument, NULL, LONG_POISSON},
				     {"seed", required_argument, NULL, LONG_SEED},
				     {"warmup", required_argument, NULL, LONG_WARMUP},
				     {"ramp", required_argument, NULL, LONG_RAMP},
				     {"close", no_argument, NULL, LONG_CLOSE},
				     {"idle", required_argument, NULL, LONG_IDLE},
				     {"slow", required_argument, NULL, LONG_SLOW},
				     {"timeout", required_argument, NULL, LONG_TIMEOUT},
				     {"drain", required_argument, NULL, LONG_DRAIN},
				     {"method", required_argument, NULL, LONG_METHOD},
				     {"expect-status", required_argument, NULL, LONG_EXPECT},
				     {"source-addresses", required_argument, NULL, LONG_SOURCES},
				     {"cpu", required_argument, NULL, LONG_CPU},
				     {"allow-remote", no_argument, NULL, LONG_REMOTE},
				     {"server-pid", required_argument, NULL, LONG_PID},
				     {"no-stats", no_argument, NULL, LONG_NO_STATS},
				     {"json", required_argument, NULL, LONG_JSON},
				     {"hdr", required_argument, NULL, LONG_HDR},
				     {"live", no_argument, NULL, LONG_LIVE},
				     {"no-live", no_argument, NULL, LONG_NO_LIVE},
				     {"help", no_argument, NULL, LONG_HELP},
				     {"version", no_argument, NULL, LONG_VERSION},
				     {NULL, 0, NULL, 0}};

static void one_flag(struct options *o, int which)
{
	switch (which) {
	case LONG_POISSON:
		o->poisson = true;
		break;
	case LONG_CLOSE:
		o->close = true;
		break;
	case LONG_REMOTE:
		o->allow_remote = true;
		break;
	case LONG_NO_STATS:
		o->no_stats = true;
		break;
	case LONG_LIVE:
	case LONG_NO_LIVE:
		o->live = which == LONG_LIVE;
		break;
	case LONG_HELP:
		fputs(HELP, stdout);
		exit(0);
	case LONG_VERSION:
		puts("loadgen " VERSION);
		exit(0);
	}
}

static void one_setting(struct options *o, int which, const char *text)
{
	switch (which) {
	case LONG_SEED:
		o->seed = whole("--seed", text, 0, UINT32_MAX);
		break;
	case LONG_WARMUP:
		o->warmup_ns = seconds("--warmup", text, true);
		break;
	case LONG_RAMP:
		o->ramp_ns = seconds("--ramp", text, true);
		break;
	case LONG_IDLE:
		o->idle = whole("--idle", text, 0, 1000000);
		break;
	case LONG_SLOW:
		o->slow_bps = positive("--slow", text, 1e6, false);
		break;
	case LONG_DRAIN:
		o->drain_ns = seconds("--drain", text, true);
		break;
	case LONG_TIMEOUT:
		o->timeout_ns = seconds("--timeout", text, false);
		break;
	case LONG_METHOD:
		o->method = text;
		if (text[0] == '\0' || text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-")] != '\0')
			usage("--method wants a name in capital letters, not '%s'", text);
		break;
	case LONG_EXPECT:
		o->expect_status = (unsigned)whole("--expect-status", text, 200, 599);
		break;
	case LONG_SOURCES:
		o->sources = (unsigned)whole("--source-addresses", text, 1, 250);
		break;
	case LONG_CPU:
		o->cpu = (int)whole("--cpu", text, 0, 1023);
		break;
	case LONG_PID:
		o->server_pid = (pid_t)whole("--server-pid", text, 1, INT32_MAX);
		break;
	case LONG_JSON:
		o->json_path = text;
		break;
	case LONG_HDR:
		o->hdr_path = text;
		break;
	default:
		one_flag(o, which);
	}
}

static void one_letter(struct options *o, int which, const char *text)
{
	switch (which) {
	case 'c':
		o->connections = whole("-c", text, 1, 1000000);
		break;
	case 'd':
		o->duration_ns = seconds("-d", text, false);
		o->has_duration = true;
		break;
	case 'n':
		o->requests = whole("-n", text, 1, UINT64_C(1) << 40);
		break;
	case 't':
		o->threads = (unsigned)whole("-t", text, 1, 64);
		break;
	case 'R':
		o->rate_rps = positive("-R", text, 1e7, false);
		break;
	case 'H':
		add_header(o, text);
		break;
	default:
		one_setting(o, which, text);
	}
}

/* What cannot be combined, and why. */
static void check(const struct options *o)
{
	if (o->requests != 0 && (o->warmup_ns != 0 || o->ramp_ns != 0))
		usage("-n counts every request from the first, so it cannot be combined with "
		      "--warmup or --ramp: use -d");
	if (o->poisson && o->rate_rps == 0)
		usage("--poisson is about the arrivals of an open loop: it needs -R");
	if (o->slow_bps != 0 && o->rate_rps != 0)
		usage("--slow is a closed loop: it cannot be combined with -R");
	if (o->json_path != NULL && o->hdr_path != NULL && strcmp(o->json_path, "-") == 0 &&
	    strcmp(o->hdr_path, "-") == 0)
		usage("--json and --hdr cannot both go to stdout");
	if (o->threads > o->connections)
		usage("-t %u workers need at least as many connections, not %llu", o->threads,
		      (unsigned long long)o->connections);
}

void options_parse(int argc, char **argv, struct options *o)
{
	int which;

	*o = (struct options){.method = "GET",
			      .connections = 64,
			      .duration_ns = 10 * NS_PER_SECOND,
			      .timeout_ns = 30 * NS_PER_SECOND,
			      .drain_ns = NS_PER_SECOND,
			      .seed = 1,
			      .threads = 1,
			      .expect_status = 200,
			      .cpu = -1,
			      .live = isatty(STDERR_FILENO) == 1};
	opterr = 0;
	while ((which = getopt_long(argc, argv, ":c:d:n:t:R:H:h", LONG, NULL)) != -1) {
		if (which == ':')
			usage("%s wants a value", argv[optind - 1]);
		if (which == '?')
			usage("'%s' is not an option or its value is not wanted",
			      argv[optind > 1 ? optind - 1 : 1]);
		one_letter(o, which == 'h' ? LONG_HELP : which, optarg);
	}
	if (optind == argc)
		usage("no URL given");
	if (optind + 1 < argc)
		usage("one URL only: what is '%s'?", argv[optind + 1]);
	o->url = argv[optind];
	check(o);
	if (o->requests != 0 && !o->has_duration)
		o->duration_ns = NEVER;
}
