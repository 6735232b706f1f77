/*
 * target.c - the URL, the request's bytes, source addresses and the first contact; the contract is
 * in target.h.
 */
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <unistd.h>

#include "response.h"

enum {
	/* Of about 28,000 ephemeral ones (ip_local_port_range), and connect() looks at every other
	 * one first: well below that, it finds a free one at once; near it, it searches for long.
	 */
	PORTS_PER_SOURCE = 10000,
	CLOSE_SOURCES = 64,
	MAX_SOURCES = 250
};

__attribute__((noreturn, format(printf, 2, 3))) static void stop(int status, const char *format,
								 ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *c = line; *c != '\0'; c++)
		if (*c < ' ' || *c == 127)
			*c = '?'; /* what the user typed must not break the line, or the terminal */
	fprintf(stderr, "loadgen: %s\n", line);
	exit(status);
}

/* The pieces of "http://host:port/path". */
struct url {
	char host[256], port[8];
	const char *path;
	bool bracketed; /* an IPv6 address */
};

static void split(const char *text, struct url *u)
{
	if (strncasecmp(text, "http://", 7) != 0)
		stop(EXIT_USAGE, "'%s' is not an http:// URL (TLS is not spoken here)", text);
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c == 127 || *c == '#')
			stop(EXIT_USAGE, "'%s' contains a character that a request cannot carry",
			     text);
	const char *at = text + 7;
	size_t authority = strcspn(at, "/?"), host = strcspn(at, ":/?");

	u->path = at + authority;
	u->bracketed = *at == '[';
	if (u->bracketed) {
		at++;
		host = strcspn(at, "]/?");
		if (at[host] != ']')
			stop(EXIT_USAGE, "'%s' lacks the ] after its IPv6 address", text);
	}
	if (host == 0 || host >= sizeof(u->host) || memchr(at, '@', (size_t)(u->path - at)))
		stop(EXIT_USAGE, "'%s' has no usable host name", text);
	memcpy(u->host, at, host);
	u->host[host] = '\0';
	at += host + (u->bracketed ? 1 : 0);
	strcpy(u->port, "80");
	if (at == u->path)
		return;
	size_t digits = (size_t)(u->path - at) - 1;

	if (*at != ':' || digits == 0 || digits > 5 || strspn(at + 1, "0123456789") != digits ||
	    atoi(at + 1) < 1 || atoi(at + 1) > 65535)
		stop(EXIT_USAGE, "'%s' has no usable port (1 to 65535)", text);
	memcpy(u->port, at + 1, digits);
	u->port[digits] = '\0';
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
	const struct in6_addr *six = &((const struct sockaddr_in6 *)a)->sin6_addr;

	return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

static void resolve(struct target *t, const struct url *u, bool allow_remote)
{
	bool local_name = strcasecmp(u->host, "localhost") == 0;
	/* Without --allow-remote no name server is asked: only addresses and "localhost" go. */
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = allow_remote || local_name ? 0 : AI_NUMERICHOST},
			*found = NULL;

	/* The lab's servers listen on 127.0.0.1, and "localhost" often means ::1 first. */
	hints.ai_family = local_name ? AF_INET : AF_UNSPEC;
	int error = getaddrinfo(u->host, u->port, &hints, &found);

	if (error == EAI_NONAME && (hints.ai_flags & AI_NUMERICHOST) != 0)
		stop(EXIT_USAGE,
		     "%s is not a loopback address: add --allow-remote if you may "
		     "load that machine",
		     u->host);
	if (error != 0)
		stop(EXIT_RUN_TIME, "cannot resolve %s: %s", u->host, gai_strerror(error));
	memcpy(&t->address, found->ai_addr, found->ai_addrlen);
	t->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	t->loopback = is_loopback(&t->address);
	if (!t->loopback && !allow_remote)
		stop(EXIT_USAGE,
		     "%s is not a loopback address: add --allow-remote if you may "
		     "load that machine",
		     u->host);
}

static void append(struct target *t, const char *a, const char *b, const char *c)
{
	int n = snprintf(t->request + t->request_len, sizeof(t->request) - t->request_len, "%s%s%s",
			 a, b, c);

	if (n < 0 || (size_t)n >= sizeof(t->request) - t->request_len)
		stop(EXIT_USAGE, "the request is longer than %d bytes", TARGET_MAX_REQUEST);
	t->request_len += (size_t)n;
}

static void build_request(struct target *t, const struct options *o, const char *path)
{
	bool own_host = false;

	t->head_only = strcmp(o->method, "HEAD") == 0;
	append(t, o->method, *path == '/' ? " " : " /", path);
	append(t, " HTTP/1.1\r\n", "", "");
	for (unsigned i = 0; i < o->header_count; i++)
		own_host |= strncasecmp(o->headers[i], "Host:", 5) == 0;
	if (!own_host)
		append(t, "Host: ", t->authority, "\r\n");
	for (unsigned i = 0; i < o->header_count; i++)
		append(t, o->headers[i], "", "\r\n");
	append(t, "\r\n", "", "");
}

/*
 * Source addresses. A connection is known by four numbers, and three of them (both addresses and
 * the server's port) are fixed here, so one source address gives about 28,000 connections. Two ways
 * of needing more: very many at once; and --close, where a closed connection lingers in TIME_WAIT
 * for a minute at the end that closed first, which is the generator's. On loopback every 127.0.0.x
 * is ours, so the connections are spread over several. The alternative, closing by a reset
 * (SO_LINGER 0), leaves no TIME_WAIT but makes the server's close path one that no browser ever
 * takes.
 */
static void choose_sources(struct target *t, const struct options *o)
{
	uint64_t all = o->connections + o->idle;

	if (o->sources != 0) {
		if (!t->loopback || t->address.ss_family != AF_INET)
			stop(EXIT_USAGE, "--source-addresses needs a 127.x.y.z target");
		t->sources = o->sources;
	} else if (t->loopback && t->address.ss_family == AF_INET) {
		uint64_t wanted = all > PORTS_PER_SOURCE ? all / PORTS_PER_SOURCE + 1 : 0;

		if (o->close)
			wanted += CLOSE_SOURCES;
		t->sources = wanted > MAX_SOURCES ? MAX_SOURCES : (unsigned)wanted;
	}
}

void target_prepare(struct target *t, const struct options *o)
{
	struct url u;

	*t = (struct target){0};
	split(o->url, &u);
	resolve(t, &u, o->allow_remote);
	const char *open = u.bracketed ? "[" : "", *shut = u.bracketed ? "]" : "";
	bool standard = strcmp(u.port, "80") == 0;

	snprintf(t->authority, sizeof(t->authority), "%s%s%s%s%s", open, u.host, shut,
		 standard ? "" : ":", standard ? "" : u.port);
	build_request(t, o, u.path);
	choose_sources(t, o);
}

int target_bind(const struct target *t, int fd, unsigned index)
{
	if (t->sources == 0)
		return 0;
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(0x7f000002u + index % t->sources)};
	int on = 1;

	/* The port is then chosen by connect(), when the other end is known: only so can one port
	 * serve several targets, and only so is a port in TIME_WAIT taken again (ip(7)). */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == -1)
		return -1;
	return bind(fd, (const struct sockaddr *)&from, sizeof(from));
}

/* Finds "model": "name" in the JSON of /stats. */
static void find_model(struct target *t, const char *text)
{
	const char *key = strstr(text, "\"model\"");

	if (key == NULL)
		return;
	key += strlen("\"model\"");
	key += strspn(key, " \t\r\n:");
	size_t len = *key == '"' ? strcspn(key + 1, "\"\\") : 0;

	if (len > 0 && len < sizeof(t->model) && key[1 + len] == '"') {
		memcpy(t->model, key + 1, len);
		t->model[len] = '\0';
	}
}

static void ask_stats(struct target *t, int fd)
{
	char text[16384];
	struct response r;
	size_t have = 0, used;
	int len = snprintf(text, sizeof(text), "GET /stats HTTP/1.1\r\nHost: %s\r\n\r\n",
			   t->authority);

	if (len < 0 || send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		return;
	response_begin(&r, false);
	while (have < sizeof(text) - 1) {
		ssize_t n = recv(fd, text + have, sizeof(text) - 1 - have, 0);

		if (n <= 0)
			break; /* no answer in time, or a cut one: the name stays unknown */
		enum response_result result = response_feed(&r, text + have, (size_t)n, &used);

		have += (size_t)n;
		if (result == RESPONSE_DONE && r.status == 200) {
			text[have] = '\0';
			find_model(t, text);
		}
		if (result != RESPONSE_MORE)
			break;
	}
}

void target_probe(struct target *t, const struct options *o)
{
	struct timeval patience = {.tv_sec = 1}, connect_patience = {.tv_sec = 3};
	int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		stop(EXIT_RUN_TIME, "cannot make a socket: %s", strerror(errno));
	/* A connect() that runs into SO_SNDTIMEO fails with EINPROGRESS (socket(7)). */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &connect_patience, sizeof(connect_patience)))
		stop(EXIT_RUN_TIME, "cannot set a socket's time-outs: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&t->address, t->address_len) == -1)
		stop(EXIT_RUN_TIME, "cannot reach http://%s: %s (is the server running?)",
		     t->authority, errno == EINPROGRESS ? "no answer in 3 s" : strerror(errno));
	if (!o->no_stats)
		ask_stats(t, fd);
	close(fd);
}
