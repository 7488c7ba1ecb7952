/*
 * Preloaded into a daemon: lets its disk fail. The first byte of the file named by DISK_FAULT_FILE decides what fsync and
 * fdatasync do: 'e' fail with EIO, 'h' hang for as long as it says so, 's' be slow (each one takes SLOW_MS more), anything
 * else (or no file) the real thing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOW_MS 400

static char fault(void) {
  const char *path = getenv("DISK_FAULT_FILE");
  if (path == NULL) return 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char first = 0;
  if (read(fd, &first, 1) != 1) first = 0;
  close(fd);
  return first;
}

static int sync_with(const char *name, int fd) {
  while (fault() == 'h') usleep(10000);
  if (fault() == 's') usleep(SLOW_MS * 1000);
  if (fault() == 'e') {
    errno = EIO;
    return -1;
  }
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  return real(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }
