/* Functions that POSIX programs expect and wasi-libc does not declare; given to the compiler with -include. */
#ifndef SHUNT_TESTS_WASI_GAPS_H
#define SHUNT_TESTS_WASI_GAPS_H

#include <stdio.h>
#include <sys/types.h>

#ifndef L_tmpnam
#define L_tmpnam 20
#endif

/* Succeed and change nothing: WASI has no owners and no permissions. */
int chmod(const char* path, mode_t mode);
int fchmod(int fd, mode_t mode);
int chown(const char* path, uid_t owner, gid_t group);
int fchown(int fd, uid_t owner, gid_t group);

/* Fail with ENOSYS: WASI has no processes. */
int system(const char* command);

#endif
