/*
 * server.c - options, readiness line, start and stop of a server. See server.h.
 */
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "clock.h"
#include "conn.h"
#include "die.h"
#include "net.h"
#include "stats.h"
#include "stop.h"
#include "trace.h"
#include "workers.h"

#ifndef SIX_BUILD
#define SIX_BUILD "unknown build"
#endif
#define VERSION "1.0"

const char *program_name = "server";

static struct settings {
	const char *host;
	const char *trace_file;
	unsigned long port, workers, max_conns, backlog;
	long cpu;
} settings = {.host = "127.0.0.1", .port = 8080, .workers = 1, .backlog = 4096, .cpu = -1};

void die(int status, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

/* ---- options ---- */

enum { OPTIONS_COMMON = 12, OPTIONS_MAX = 24, MODEL_OPTION = 1000 };

static const struct option common_options[OPTIONS_COMMON] = {
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"db-delay", required_argument, NULL, 'd'},
	{"workers", required_argument, NULL, 'w'},
	{"max-conns", required_argument, NULL, 'm'},
	{"request-timeout", required_argument, NULL, 'r'},
	{"idle-timeout", required_argument, NULL, 'i'},
	{"backlog", required_argument, NULL, 'b'},
	{"cpu", required_argument, NULL, 'c'},
	{"trace", required_argument, NULL, 't'},
	{"help", no_argument, NULL, '?' + 256},
	{"version", no_argument, NULL, 'V'},
};

static unsigned long number(const char *option, const char *text, unsigned long min,
			    unsigned long max)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || errno || n < min || n > max)
		die(EXIT_USAGE, "--%s %s: give a whole number from %lu to %lu", option, text, min,
		    max);
	return n;
}

/* A number that may have a fraction, in units of `unit_ns`. */
static uint64_t duration_ns(const char *option, const char *text, double unit_ns, double max)
{
	char *end;
	double n = strtod(text, &end);

	if (((text[0] < '0' || text[0] > '9') && text[0] != '.') || *end || !(n >= 0 && n <= max))
		die(EXIT_USAGE, "--%s %s: give a number from 0 to %.0f; fractions are allowed",
		    option, text, max);
	return (uint64_t)(n * unit_ns + 0.5);
}

static uint64_t timeout_ns(const char *option, const char *text)
{
	uint64_t ns = duration_ns(option, text, 1e9, 86400);

	if (ns == 0)
		die(EXIT_USAGE, "--%s 0: give more than 0 seconds; every wait here ends", option);
	return ns;
}

static void help(const struct model *model)
{
	printf("usage: %s [options]\n\n"
	       "  --host ADDR            numeric address to listen on (127.0.0.1)\n"
	       "  --port N               port; 0 picks a free one (8080)\n"
	       "  --db-delay MS          the database's time for /db without ?ms= (10)\n"
	       "  --workers N            processes sharing the listener (1)\n"
	       "  --max-conns N          connections a process; above it 503 (what the limits "
	       "allow)\n"
	       "  --request-timeout S    for an unfinished request, and a reply nobody reads (10)\n"
	       "  --idle-timeout S       for a silent kept-alive connection (60)\n"
	       "  --backlog N            listen(2) queue (4096)\n"
	       "  --cpu N                pin to a core\n"
	       "  --trace FILE           one line a request: when accepted, parsed, waited, "
	       "answered\n",
	       model->name);
	for (const struct model_option *o = model->options; o && o->name; o++)
		printf("  --%s %-*s %s\n", o->name, 19 - (int)strlen(o->name),
		       o->argument ? o->argument : "", o->help);
	printf("  --help, --version\n\n"
	       "routes: /  /db?ms=N  /cpu?us=N  /bytes?n=N  /stream?n=N&ms=M  /stats\n"
	       "exit: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 bad usage, 77 this machine "
	       "cannot run it\n");
	exit(0);
}

static void take_option(int which, const struct model *model)
{
	switch (which) {
	case 'h':
		settings.host = optarg;
		break;
	case 'p':
		settings.port = number("port", optarg, 0, 65535);
		break;
	case 'd':
		app_config.db_delay_ns = duration_ns("db-delay", optarg, 1e6, 3600000);
		break;
	case 'w':
		settings.workers = number("workers", optarg, 1, 1024);
		break;
	case 'm':
		settings.max_conns = number("max-conns", optarg, 1, 10000000);
		break;
	case 'r':
		conn_config.request_timeout_ns = timeout_ns("request-timeout", optarg);
		break;
	case 'i':
		conn_config.idle_timeout_ns = timeout_ns("idle-timeout", optarg);
		break;
	case 'b':
		settings.backlog = number("backlog", optarg, 1, 1000000);
		break;
	case 'c':
		settings.cpu = (long)number("cpu", optarg, 0, CPU_SETSIZE - 1);
		break;
	case 't':
		settings.trace_file = optarg;
		break;
	case 'V':
		printf("%s (six ways to wait) %s, %s\n", model->name, VERSION, SIX_BUILD);
		exit(0);
	case '?' + 256:
		help(model);
		break;
	default: {
		const struct model_option *o = &model->options[which - MODEL_OPTION];

		*o->value = o->argument ? number(o->name, optarg, o->min, o->max) : 1;
	}
	}
}

static void parse_options(int argc, char **argv, const struct model *model)
{
	struct option all[OPTIONS_MAX + 1] = {0};
	int n = OPTIONS_COMMON, which;

	memcpy(all, common_options, sizeof common_options);
	for (const struct model_option *o = model->options; o && o->name && n < OPTIONS_MAX;
	     o++, n++)
		all[n] = (struct option){o->name, o->argument ? required_argument : no_argument,
					 NULL, MODEL_OPTION + n - OPTIONS_COMMON};
	opterr = 0;
	while ((which = getopt_long(argc, argv, ":", all, NULL)) != -1) {
		if (which == ':')
			die(EXIT_USAGE, "%s needs a value; see --help", argv[optind - 1]);
		if (which == '?')
			die(EXIT_USAGE, "%s is not an option, or takes no value; see --help",
			    argv[optind - 1]);
		take_option(which, model);
	}
	if (optind < argc)
		die(EXIT_USAGE, "%s is not an option; see --help", argv[optind]);
}

/* ---- start and stop ---- */

static void pin(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		die(EXIT_FAILED, "cannot pin to --cpu %ld: %s; this machine has %ld", cpu,
		    strerror(errno), sysconf(_SC_NPROCESSORS_ONLN));
}

static void check_descriptors(void)
{
	unsigned long limit = net_raise_descriptor_limit();

	if (limit < NET_OTHER_DESCRIPTORS + 1)
		die(EXIT_FAILED, "only %lu descriptors allowed, needs %d at least; raise ulimit -n",
		    limit, NET_OTHER_DESCRIPTORS + 1);
	if (!settings.max_conns) /* where there is no limit to speak of, tables need one */
		settings.max_conns = (limit < 1048576 ? limit : 1048576) - NET_OTHER_DESCRIPTORS;
	if (settings.max_conns > limit - NET_OTHER_DESCRIPTORS)
		die(EXIT_FAILED,
		    "--max-conns %lu needs more than the %lu descriptors allowed; "
		    "raise ulimit -n, or ask for %lu at most",
		    settings.max_conns, limit, limit - NET_OTHER_DESCRIPTORS);
}

static const struct model *running;

static void serve(int listener)
{
	stop_install(running->event_loop);
	running->run(listener);
	/* Threads may still be answering, each for itself. */
	while (server_running()) {
		struct timespec pause = timespec_of(2 * NS_PER_MILLISECOND);

		nanosleep(&pause, NULL);
	}
}

int server_main(int argc, char **argv, const struct model *model)
{
	const char *reason;

	program_name = model->name;
	running = model;
	stop_hold();
	parse_options(argc, argv, model);
	if (model->unable && (reason = model->unable()) != NULL)
		die(EXIT_UNABLE, "this machine cannot run it: %s", reason);
	if (settings.cpu >= 0)
		pin(settings.cpu);
	check_descriptors();
	if (settings.trace_file && trace_start(settings.trace_file, clock_ns()) < 0)
		die(EXIT_FAILED, "cannot write --trace %s: %s", settings.trace_file,
		    strerror(errno));
	if (stats_create(model->name, (unsigned)settings.workers) < 0)
		die(EXIT_FAILED, "cannot make the counters: %s", strerror(errno));
	stats_shared = !model->event_loop || model->threads;
	/* Timers to the nanosecond: the default lets the kernel be 50 microseconds late (prctl(2)).
	 */
	if (prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0) < 0)
		die(EXIT_FAILED, "cannot set the timer slack: %s", strerror(errno));
	net_init(settings.max_conns, model->event_loop);

	uint16_t port = (uint16_t)settings.port;
	int listener = net_listen(settings.host, &port, (int)settings.backlog, model->event_loop);

	printf(strchr(settings.host, ':') ? "%s: listening on http://[%s]:%u (pid %d)\n"
					  : "%s: listening on http://%s:%u (pid %d)\n",
	       model->name, settings.host, port, (int)getpid());
	if (fflush(stdout) != 0)
		die(EXIT_FAILED, "cannot write the readiness line: %s", strerror(errno));
	if (settings.workers == 1)
		serve(listener);
	else
		workers_run((unsigned)settings.workers, listener, serve);
	return 0;
}

unsigned server_workers(void)
{
	return (unsigned)settings.workers;
}

bool server_accepting(void)
{
	static bool input_ended;

	if (!stop_asked())
		return true;
	if (!input_ended) {
		input_ended = true;
		net_end_input();
	}
	return false;
}

bool server_running(void)
{
	return server_accepting() || (net_open() > 0 && clock_ns() < stop_deadline());
}

uint64_t server_wake_time(uint64_t deadline)
{
	return deadline < stop_deadline() ? deadline : stop_deadline();
}
