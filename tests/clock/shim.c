/* A wall clock that tests move: LD_PRELOAD this, and ANDON_TEST_CLOCK names a file whose first 8 bytes are what is
 * added to the machine's wall clock, ns, little-endian. Processes that run see a change at once. Monotonic clocks are
 * left alone, as when a person or NTP sets the clock. A wait until a time of the wall clock ends when that clock shows
 * it, so one that was begun before the clock was set back lasts longer, as the kernel's does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("ANDON_TEST_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) offset = page;
}

static void shift(struct timespec *at) {
  if (!offset) return;
  int64_t ns = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + *offset;
  at->tv_sec = ns / 1000000000;
  at->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int status = (int)syscall(SYS_clock_gettime, clock, at);
  if (!status && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(at);
  return status;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(struct timespec *at, int base) {
  if (base != TIME_UTC || clock_gettime(CLOCK_REALTIME, at)) return 0;
  return base;
}

typedef int (*wait_function)(void *condition, void *mutex, const struct timespec *until);

static wait_function real_pthread, real_c11;
static pthread_once_t found = PTHREAD_ONCE_INIT;

static void find_real(void) {
  void *function = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"); /* x86-64 has an older one, too */
  if (!function) function = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  *(void **)&real_pthread = function;
  *(void **)&real_c11 = dlsym(RTLD_NEXT, "cnd_timedwait");
}

/* In slices, each with a look at the clock that is shown. */
static int wait_until(wait_function wait, int timed_out, void *condition, void *mutex, const struct timespec *until) {
  for (;;) {
    struct timespec shown, slice;
    clock_gettime(CLOCK_REALTIME, &shown);
    int64_t left = ((int64_t)until->tv_sec - shown.tv_sec) * 1000000000 + until->tv_nsec - shown.tv_nsec;
    if (left <= 0) return timed_out;
    if (left > 10000000) left = 10000000;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &slice);
    slice.tv_nsec += left;
    slice.tv_sec += slice.tv_nsec / 1000000000;
    slice.tv_nsec %= 1000000000;
    int status = wait(condition, mutex, &slice);
    if (status != timed_out) return status;
  }
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  pthread_once(&found, find_real);
  if (!offset || until->tv_sec < 400000000) return real_pthread(condition, mutex, until); /* a monotonic clock's */
  return wait_until(real_pthread, ETIMEDOUT, condition, mutex, until);
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
  pthread_once(&found, find_real);
  return offset ? wait_until(real_c11, thrd_timedout, condition, mutex, until) : real_c11(condition, mutex, until);
}
