/*
 * The floor: what the system itself costs. One thread, epoll, bytes back as they came.
 * Knows no frames, no limits and no fairness; nobody should copy it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[64 * 1024];

static void accept_all(int poller, int listener) {
  int client;
  while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    int yes = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = client};
    epoll_ctl(poller, EPOLL_CTL_ADD, client, &event);
  }
}

/* Returns 0 when the client is gone. A full socket is waited for: the load generator always reads. */
static int echo(int client) {
  ssize_t got = read(client, buffer, sizeof buffer);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  for (ssize_t sent = 0; sent < got;) {
    ssize_t wrote = write(client, buffer + sent, got - sent);
    if (wrote > 0) {
      sent += wrote;
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = client, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else {
      return 0;
    }
  }
  return 1;
}

int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0) {
    perror("listen");
    return 1;
  }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);

  int poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    struct epoll_event ready[256];
    int count = epoll_wait(poller, ready, 256, -1);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) accept_all(poller, listener);
      else if (!echo(fd)) close(fd);
    }
  }
}
