/*
 * Preloaded into a daemon: keeps an image of what its disk would hold after a power cut.
 *
 * DURABLE_DATA is the folder it watches, DURABLE_IMAGE where it keeps the image (on the same file system):
 *   content/INODE   what of a file was there at its last fsync or fdatasync
 *   names/!FOLDER   what was in a folder at its last fsync: INODE NAME, a line each; FOLDER as its path, with '!' for '/'
 *   folders/INODE   says that this one is a folder
 *   keep/INODE      a link to each file that was opened, so that no inode is used twice
 * A file whose name was never synced is not in `names`, and one whose content was never synced not in `content`: both are as if
 * they had never been. A rename or an unlink is in `names` from the next fsync of its folder on.
 *
 * Nothing is really synced: the disk is modelled, and a sync takes SYNC_US. A process that is killed while its image is being
 * brought up to date leaves a part of it, as a disk does whose power is cut during a sync.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SYNC_US 1500
#define FILES 4096
#define PATH_BYTES 4096
#define COPY_BYTES (256 * 1024)

/* What of a file is not in the image yet: from `low` up to `high`. */
struct file {
  ino_t inode;
  dev_t device;
  off_t low, high;
};

static struct file files[FILES];
static int file_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const off_t END = (off_t)1 << 62;

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static const char *data, *image;

__attribute__((constructor)) static void begin(void) {
  real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
  real_write = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  real_writev = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
  real_pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
  real_ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");
  data = getenv("DURABLE_DATA");
  image = getenv("DURABLE_IMAGE");
}

/* An image that cannot be kept must not look like a disk that lost something. */
static void die(const char *what) {
  dprintf(2, "durable-image: %s: %s\n", what, strerror(errno));
  _exit(99);
}

static int is_watched(const char *path) {
  if (data == NULL || image == NULL) return 0;
  size_t length = strlen(data);
  return strncmp(path, data, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Called with the lock. NULL: no file of the folder. */
static struct file *find(int fd) {
  struct stat is;
  if (file_count == 0 || fstat(fd, &is) != 0 || !S_ISREG(is.st_mode)) return NULL;
  for (int at = 0; at < file_count; at++)
    if (files[at].inode == is.st_ino && files[at].device == is.st_dev) return &files[at];
  return NULL;
}

static void dirty(int fd, off_t low, off_t high) {
  int before = errno;
  pthread_mutex_lock(&lock);
  struct file *file = find(fd);
  if (file != NULL) {
    if (low < file->low) file->low = low;
    if (high > file->high) file->high = high;
  }
  pthread_mutex_unlock(&lock);
  errno = before;
}

static void watch(int fd, const char *path, int flags) {
  int before = errno;
  struct stat is;
  if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode)) return;
  pthread_mutex_lock(&lock);
  struct file *file = find(fd);
  if (file == NULL) {
    if (file_count == FILES) die("too many files");
    file = &files[file_count++];
    *file = (struct file){is.st_ino, is.st_dev, END, 0};
    char kept[PATH_BYTES];
    snprintf(kept, sizeof kept, "%s/keep/%lu", image, (unsigned long)is.st_ino);
    if (link(path, kept) != 0 && errno != EEXIST) die("link");
  }
  if (flags & O_TRUNC) {
    file->low = 0;
    file->high = END;
  }
  pthread_mutex_unlock(&lock);
  errno = before;
}

static int open_with(const char *path, int flags, mode_t mode) {
  int fd = real_open(path, flags, mode);
  if (fd >= 0 && is_watched(path) && (flags & O_ACCMODE) != O_RDONLY) watch(fd, path, flags);
  return fd;
}

#define MODE(flags, mode)                     \
  if ((flags) & (O_CREAT | O_TMPFILE)) {      \
    va_list rest;                             \
    va_start(rest, flags);                    \
    mode = va_arg(rest, mode_t);              \
    va_end(rest);                             \
  }

int open(const char *path, int flags, ...) {
  mode_t mode = 0;
  MODE(flags, mode)
  return open_with(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  MODE(flags, mode)
  return open_with(path, flags, mode);
}

/* Where the next write goes: behind the end with O_APPEND, where the file stands without. -1: not a file that can be sought in. */
static off_t place(int fd) {
  int before = errno;
  struct stat is;
  off_t at = -1;
  if (data != NULL && file_count > 0 && fstat(fd, &is) == 0 && S_ISREG(is.st_mode))
    at = fcntl(fd, F_GETFL) & O_APPEND ? is.st_size : lseek(fd, 0, SEEK_CUR);
  errno = before;
  return at;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  off_t at = place(fd);
  ssize_t done = real_write(fd, bytes, count);
  if (done > 0 && at >= 0) dirty(fd, at, at + done);
  return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  off_t at = place(fd);
  ssize_t done = real_writev(fd, parts, count);
  if (done > 0 && at >= 0) dirty(fd, at, at + done);
  return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
  ssize_t done = real_pwrite(fd, bytes, count, at);
  if (done > 0) dirty(fd, at, at + done);
  return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

int ftruncate64(int fd, off_t length) {
  int failed = real_ftruncate(fd, length);
  if (failed == 0) dirty(fd, length, END);
  return failed;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

/* Called with the lock. Brings what is dirty of a file into the image. */
static void sync_file(int fd, struct file *file) {
  static char buffer[COPY_BYTES];
  char path[PATH_BYTES], own[64];
  struct stat is;
  snprintf(path, sizeof path, "%s/content/%lu", image, (unsigned long)file->inode);
  /* The descriptor may be for writing only. */
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  int from = real_open(own, O_RDONLY | O_CLOEXEC);
  int to = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (from < 0 || to < 0 || fstat(from, &is) != 0) die("content");
  off_t end = file->high < is.st_size ? file->high : is.st_size;
  for (off_t at = file->low; at < end;) {
    size_t most = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
    ssize_t got = pread(from, buffer, most, at);
    if (got <= 0 || real_pwrite(to, buffer, (size_t)got, at) != got) die("content");
    at += got;
  }
  if (real_ftruncate(to, is.st_size) != 0) die("content");
  close(from);
  close(to);
  file->low = END;
  file->high = 0;
}

static void mark_folder(ino_t inode) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/folders/%lu", image, (unsigned long)inode);
  int fd = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) die("folders");
  close(fd);
}

/* Called with the lock. Brings the names in a folder into the image. */
static void sync_names(const char *folder) {
  char path[PATH_BYTES], finished[PATH_BYTES + 8];
  const char *inside = folder + strlen(data);
  snprintf(finished, sizeof finished, "%s/names/!%s", image, inside);
  for (char *at = finished + strlen(image) + strlen("/names/"); *at != 0; at++)
    if (*at == '/') *at = '!';
  snprintf(path, sizeof path, "%s/new-names", image);
  FILE *to = fopen(path, "w");
  DIR *from = opendir(folder);
  if (to == NULL || from == NULL) die("names");
  for (struct dirent *one = readdir(from); one != NULL; one = readdir(from))
    if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0) {
      fprintf(to, "%lu %s\n", (unsigned long)one->d_ino, one->d_name);
      if (one->d_type == DT_DIR) mark_folder(one->d_ino);
    }
  closedir(from);
  if (fclose(to) != 0 || rename(path, finished) != 0) die("names");
}

static int sync_all(int fd) {
  struct stat is;
  char own[64], path[PATH_BYTES];
  if (fstat(fd, &is) != 0) return -1;
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(own, path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  usleep(SYNC_US);
  pthread_mutex_lock(&lock);
  struct file *file = find(fd);
  if (file != NULL) sync_file(fd, file);
  else if (S_ISDIR(is.st_mode) && is_watched(path)) sync_names(path);
  pthread_mutex_unlock(&lock);
  return 0;
}

int fsync(int fd) { return sync_all(fd); }
int fdatasync(int fd) { return sync_all(fd); }
