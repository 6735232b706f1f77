/*
 * floor.c - the physical limit of the comparison: a server that parses nothing.
 *
 * Run by `make bench` only. It waits with epoll, reads whatever came, and if that ends like a
 * request answers with a fixed reply of the same bytes as GET / of the six models. It knows no
 * HTTP, no deadlines, no partial anything: what a real server costs above this is what being a
 * server costs.
 *
 * usage: floor PORT [CPU]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char reply[] =
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n"
	"Hello, World!";

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_on(unsigned short port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
		fail("cannot listen");
	return fd;
}

static void answer(int fd)
{
	char buf[16384];
	ssize_t n = recv(fd, buf, sizeof buf, 0);

	if (n >= 4 && memcmp(buf + n - 4, "\r\n\r\n", 4) == 0)
		n = send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		close(fd);
}

static void welcome(int epoll, int listener)
{
	struct epoll_event event = {.events = EPOLLIN};

	while ((event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event) < 0)
			close(event.data.fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[512], event = {.events = EPOLLIN};
	struct rlimit limit;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: floor PORT [CPU]\n");
		return 2;
	}
	if (argc == 3) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET((size_t)atoi(argv[2]), &set);
		if (sched_setaffinity(0, sizeof set, &set) < 0)
			fail("cannot pin");
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			fail("cannot raise the descriptor limit");
	}
	int listener = listen_on((unsigned short)atoi(argv[1])),
	    epoll = epoll_create1(EPOLL_CLOEXEC);

	event.data.fd = listener;
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		fail("cannot use epoll");
	printf("floor: listening on http://127.0.0.1:%s (pid %d)\n", argv[1], (int)getpid());
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 512, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				welcome(epoll, listener);
			else
				answer(events[i].data.fd);
		}
	}
}
