/* Makes a chosen call on a file below chosen folders fail, for faults.py. Preloaded by LD_PRELOAD on Linux.

   FAULTS_UNDER    folders, PATH:PATH; calls on other files are neither counted nor changed
   FAULTS_LOG      a file to which a line is added for every counted call: NUMBER KIND NAME PATH
   FAULTS_KINDS    letters of the kinds that count: r reads, w writes, d deletes
   FAULTS_AT       the number of the call that fails, from 1; 0: none
   FAULTS_LASTING  1: every counted call from there on fails too
   FAULTS_ERRNO    the error; 0: a write that takes only a half of its bytes

   They are read when faults_arm() is called, which is how a forked process begins to count, or at the first call. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char under[4][PATH_MAX];
static char kinds[8];
static int folders, armed, log_file = -1, error_number;
static long count, at, lasting;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((visibility("default"))) void faults_arm(void) {
    pthread_mutex_lock(&guard);
    const char *paths = getenv("FAULTS_UNDER"), *log = getenv("FAULTS_LOG"), *wanted = getenv("FAULTS_KINDS");
    folders = 0;
    while (paths && *paths && folders < 4) {
        size_t length = strcspn(paths, ":");
        snprintf(under[folders++], PATH_MAX, "%.*s", (int)length, paths);
        paths += length + (paths[length] == ':');
    }
    snprintf(kinds, sizeof kinds, "%s", wanted ? wanted : "");
    if (log_file >= 0) syscall(SYS_close, log_file);
    log_file = log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    count = 0, at = number("FAULTS_AT"), lasting = number("FAULTS_LASTING"), error_number = (int)number("FAULTS_ERRNO");
    armed = 1;
    pthread_mutex_unlock(&guard);
}

static int is_watched(const char *path) {
    for (int i = 0; i < folders; i++) {
        size_t length = strlen(under[i]);
        if (!strncmp(path, under[i], length) && (path[length] == '/' || !path[length])) return 1;
    }
    return 0;
}

/* The path of an open file. */
static int named(int file, char *path) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0 && path[0] == '/';
}

/* The path that a name in a folder stands for. */
static int absolute(int folder, const char *name, char *path) {
    if (!name) return 0;
    if (name[0] == '/') return snprintf(path, PATH_MAX, "%s", name) > 0;
    char base[PATH_MAX];
    if (folder == AT_FDCWD ? syscall(SYS_getcwd, base, PATH_MAX) <= 0 : !named(folder, base)) return 0;
    return snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, name) > 0;
}

/* Counts a call on a path. Whether it is to fail. */
static int fails(char kind, const char *name, const char *path) {
    if (!armed) faults_arm();
    if (!folders || !is_watched(path) || !strchr(kinds, kind)) return 0;
    char line[PATH_MAX + 80];
    pthread_mutex_lock(&guard);
    long here = ++count;
    int length = snprintf(line, sizeof line, "%ld %c %s %s\n", here, kind, name, path);
    if (log_file >= 0) syscall(SYS_write, log_file, line, (size_t)length);
    pthread_mutex_unlock(&guard);
    return at && (here == at || (lasting && here > at));
}

static int file_fails(char kind, const char *name, int file) {
    char path[PATH_MAX];
    int before = errno, failing = (folders || !armed) && named(file, path) && fails(kind, name, path);
    errno = failing ? error_number : before;
    return failing;
}

static int path_fails(char kind, const char *name, int folder, const char *file) {
    char path[PATH_MAX];
    int before = errno, failing = (folders || !armed) && absolute(folder, file, path) && fails(kind, name, path);
    errno = failing ? error_number : before;
    return failing;
}

static int for_writing(int file) {
    int flags = fcntl(file, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define BREAKS error_number /* a short write breaks no other call */

/* ---- opening ---- */

#define OPENS(name, folder_declared, folder, passed)                                              \
    int name folder_declared {                                                                    \
        NEXT(name);                                                                               \
        va_list more; va_start(more, flags);                                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; va_end(more);     \
        char kind = flags & (O_WRONLY | O_RDWR | O_CREAT) ? 'w' : 'r';                            \
        if (path_fails(kind, "open", folder, path) && BREAKS) return -1;                          \
        return next passed;                                                                       \
    }
OPENS(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPENS(openat, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))
OPENS(openat64, (int folder, const char *path, int flags, ...), folder, (folder, path, flags, mode))

int __open_2(const char *path, int flags) { return open(path, flags); }
int __open64_2(const char *path, int flags) { return open64(path, flags); }

#define OPENS_STREAM(name)                                                                        \
    FILE *name(const char *path, const char *mode) {                                              \
        NEXT(name);                                                                               \
        if (path_fails(strpbrk(mode, "wa+") ? 'w' : 'r', "fopen", AT_FDCWD, path) && BREAKS) return NULL; \
        return next(path, mode);                                                                  \
    }
OPENS_STREAM(fopen)
OPENS_STREAM(fopen64)

DIR *opendir(const char *path) {
    NEXT(opendir);
    return path_fails('r', "opendir", AT_FDCWD, path) && BREAKS ? NULL : next(path);
}

/* ---- content ---- */

ssize_t write(int file, const void *bytes, size_t size) {
    NEXT(write);
    if (!file_fails('w', "write", file)) return next(file, bytes, size);
    return BREAKS ? -1 : next(file, bytes, size > 1 ? size / 2 : size);
}

#define WRITES_AT(name, offset_type)                                                              \
    ssize_t name(int file, const void *bytes, size_t size, offset_type place) {                   \
        NEXT(name);                                                                               \
        if (!file_fails('w', "pwrite", file)) return next(file, bytes, size, place);              \
        return BREAKS ? -1 : next(file, bytes, size > 1 ? size / 2 : size, place);                \
    }
WRITES_AT(pwrite, off_t)
WRITES_AT(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int number_of_parts) {
    NEXT(writev);
    if (!file_fails('w', "writev", file)) return next(file, parts, number_of_parts);
    return BREAKS ? -1 : next(file, parts, number_of_parts > 1 ? number_of_parts / 2 : 1);
}

size_t fwrite(const void *bytes, size_t size, size_t items, FILE *stream) {
    NEXT(fwrite);
    return file_fails('w', "fwrite", fileno(stream)) && BREAKS ? 0 : next(bytes, size, items, stream);
}

ssize_t read(int file, void *bytes, size_t size) {
    NEXT(read);
    return file_fails('r', "read", file) && BREAKS ? -1 : next(file, bytes, size);
}

#define READS_AT(name, offset_type)                                                               \
    ssize_t name(int file, void *bytes, size_t size, offset_type place) {                         \
        NEXT(name);                                                                               \
        return file_fails('r', "pread", file) && BREAKS ? -1 : next(file, bytes, size, place);    \
    }
READS_AT(pread, off_t)
READS_AT(pread64, off64_t)

ssize_t readv(int file, const struct iovec *parts, int number_of_parts) {
    NEXT(readv);
    return file_fails('r', "readv", file) && BREAKS ? -1 : next(file, parts, number_of_parts);
}

size_t fread(void *bytes, size_t size, size_t items, FILE *stream) {
    NEXT(fread);
    return file_fails('r', "fread", fileno(stream)) && BREAKS ? 0 : next(bytes, size, items, stream);
}

#define COPIES(name, declared, passed)                                                            \
    ssize_t name declared {                                                                       \
        NEXT(name);                                                                               \
        return file_fails('w', #name, out) && BREAKS ? -1 : next passed;                          \
    }
#include <sys/sendfile.h>
COPIES(sendfile, (int out, int in, off_t *place, size_t size), (out, in, place, size))
COPIES(sendfile64, (int out, int in, off64_t *place, size_t size), (out, in, place, size))
COPIES(copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned int flags),
       (in, from, out, to, size, flags))

#define MAPS(name, offset_type)                                                                   \
    void *name(void *address, size_t size, int protection, int flags, int file, offset_type place) { \
        NEXT(name);                                                                               \
        if (file >= 0 && !(flags & MAP_ANONYMOUS) && file_fails('r', "mmap", file) && BREAKS) return MAP_FAILED; \
        return next(address, size, protection, flags, file, place);                               \
    }
MAPS(mmap, off_t)
MAPS(mmap64, off64_t)

/* ---- what is done to an open file ---- */

#define DOES(name, kind, declared, passed)                                                        \
    int name declared {                                                                           \
        NEXT(name);                                                                               \
        return file_fails(kind, #name, file) && BREAKS ? -1 : next passed;                        \
    }
DOES(fsync, 'w', (int file), (file))
DOES(fdatasync, 'w', (int file), (file))
DOES(ftruncate, 'w', (int file, off_t size), (file, size))
DOES(ftruncate64, 'w', (int file, off64_t size), (file, size))
DOES(flock, 'r', (int file, int operation), (file, operation))

/* A file is closed also where closing it reports an error. */
int close(int file) {
    NEXT(close);
    int failing = (folders || !armed) && for_writing(file) && file_fails('w', "close", file) && BREAKS, done = next(file);
    if (!failing) return done;
    errno = error_number;
    return -1;
}

int fclose(FILE *stream) {
    NEXT(fclose);
    int file = fileno(stream);
    int failing = (folders || !armed) && for_writing(file) && file_fails('w', "fclose", file) && BREAKS, done = next(stream);
    if (!failing) return done;
    errno = error_number;
    return EOF;
}

/* ---- names ---- */

#define NAMES(name, kind, declared, folder, path, passed)                                         \
    int name declared {                                                                           \
        NEXT(name);                                                                               \
        return path_fails(kind, #name, folder, path) && BREAKS ? -1 : next passed;                \
    }
NAMES(rename, 'w', (const char *from, const char *to), AT_FDCWD, to, (from, to))
NAMES(renameat, 'w', (int a, const char *from, int b, const char *to), b, to, (a, from, b, to))
NAMES(link, 'w', (const char *from, const char *to), AT_FDCWD, to, (from, to))
NAMES(linkat, 'w', (int a, const char *from, int b, const char *to, int flags), b, to, (a, from, b, to, flags))
NAMES(symlink, 'w', (const char *from, const char *to), AT_FDCWD, to, (from, to))
NAMES(mkdir, 'w', (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
NAMES(mkdirat, 'w', (int folder, const char *path, mode_t mode), folder, path, (folder, path, mode))
NAMES(truncate, 'w', (const char *path, off_t size), AT_FDCWD, path, (path, size))
NAMES(unlink, 'd', (const char *path), AT_FDCWD, path, (path))
NAMES(unlinkat, 'd', (int folder, const char *path, int flags), folder, path, (folder, path, flags))
NAMES(rmdir, 'd', (const char *path), AT_FDCWD, path, (path))
