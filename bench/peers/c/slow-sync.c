/*
 * A slower disk: preloaded into a server, it makes each fdatasync take a millisecond longer.
 * Leaves what is written, and when it is safe, as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int fdatasync(int file) {
  int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  const struct timespec longer = {.tv_nsec = 1000000};
  nanosleep(&longer, NULL);
  return sync(file);
}
