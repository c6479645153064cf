/* Tries to reach what lies outside of its directory. The host has put links there that lead out, and gives the absolute
   path of the folder around it as argument. Whatever may change something is tried only with paths that, if they were
   followed, end in that folder: this guest must do no harm where confinement is broken. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expect.h"

#define REFUSED(call)                                                                                        \
  do {                                                                                                       \
    errno = 0;                                                                                               \
    if ((call) != -1 || (errno != ENOTCAPABLE && errno != ENOENT)) {                                         \
      fprintf(stderr, "NOT REFUSED: line %d: %s (errno %d, %s)\n", __LINE__, #call, errno, strerror(errno)); \
      ++wrong;                                                                                               \
    }                                                                                                        \
  } while (0)

static void look(const char* path) {
  struct stat status;
  fprintf(stderr, "%s\n", path);
  REFUSED(open(path, O_RDONLY));
  REFUSED(stat(path, &status));
}

static void change(const char* path) {
  look(path);
  REFUSED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666));
  if (strcmp(path, "to_secret") == 0) return; /* as an entry of its directory the link is the guest's */
  REFUSED(link(path, "stolen"));
  REFUSED(unlink(path));
  REFUSED(mkdir(path, 0777));
  REFUSED(rename(path, "stolen"));
  REFUSED(rename("inner", path));
  REFUSED(symlink("inner", path));
}

int main(int argc, char** argv) {
  static const char* const outside[] = {"../secret",
                                        "inner/../../secret",
                                        "to_parent/secret",
                                        "to_top_absolute/secret",
                                        "./../sandbox/../secret",
                                        "inner/up/up/secret",
                                        "to_secret"};
  static const char* const machine[] = {"/etc/passwd", "//etc/passwd", "../../../../../../etc/passwd"};
  char absolute[512];
  for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); ++i) change(outside[i]);
  for (unsigned i = 0; i < sizeof(machine) / sizeof(machine[0]); ++i) look(machine[i]);
  EXPECT(argc == 2);
  snprintf(absolute, sizeof(absolute), "%s/secret", argv[1]);
  change(absolute);
  EXPECT(opendir("..") == NULL);
  EXPECT(opendir("to_parent") == NULL);
  REFUSED(symlink(absolute, "own"));
  EXPECT(symlink("../secret", "own") == 0);
  REFUSED(open("own", O_RDONLY));
  EXPECT(unlink("own") == 0);
  /* Descriptors that nobody gave. */
  for (int fd = 4; fd < 100; ++fd) EXPECT_ERRNO(EBADF, fcntl(fd, F_GETFL));
  return wrong;
}
