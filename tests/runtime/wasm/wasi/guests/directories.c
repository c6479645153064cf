/* Directories, links and names. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "expect.h"

enum { entries = 300 };

static int by_name(const struct dirent** a, const struct dirent** b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void many_entries(void) {
  char name[64];
  char seen[entries] = {0};
  EXPECT(mkdir("many", 0777) == 0);
  EXPECT_ERRNO(EEXIST, mkdir("many", 0777));
  for (int i = 0; i < entries; ++i) {
    snprintf(name, sizeof(name), "many/entry-with-a-long-name-%d", i);
    int fd = open(name, O_WRONLY | O_CREAT, 0666);
    EXPECT(fd >= 0 && close(fd) == 0);
  }
  DIR* directory = opendir("many");
  EXPECT(directory != NULL);
  int count = 0;
  int dots = 0;
  long middle = 0;
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] == '.') {
      ++dots;
      continue;
    }
    int number = -1;
    EXPECT(sscanf(entry->d_name, "entry-with-a-long-name-%d", &number) == 1 && number >= 0 && number < entries);
    EXPECT(entry->d_type == DT_REG);
    EXPECT(!seen[number]);
    seen[number] = 1;
    if (++count == 100) middle = telldir(directory);
  }
  EXPECT(count == entries);
  EXPECT(dots == 2);
  seekdir(directory, middle);
  int rest = 0;
  while (readdir(directory) != NULL) ++rest;
  EXPECT(rest >= entries - 100 && rest <= entries - 100 + 2);
  rewinddir(directory);
  EXPECT(readdir(directory) != NULL);
  EXPECT(closedir(directory) == 0);

  struct dirent** sorted = NULL;
  EXPECT(scandir("many", &sorted, NULL, by_name) == entries + 2);
  EXPECT(strcmp(sorted[2]->d_name, "entry-with-a-long-name-0") == 0);
  EXPECT_ERRNO(ENOTEMPTY, rmdir("many"));
  for (int i = 0; i < entries; ++i) {
    snprintf(name, sizeof(name), "many/entry-with-a-long-name-%d", i);
    EXPECT(unlink(name) == 0);
  }
  EXPECT(rmdir("many") == 0);
}

static void links(void) {
  char text[64] = {0};
  struct stat status;
  EXPECT(mkdir("a", 0777) == 0 && mkdir("a/b", 0777) == 0);
  FILE* file = fopen("a/b/file", "w");
  EXPECT(file != NULL && fputs("text", file) >= 0 && fclose(file) == 0);
  EXPECT(symlink("b/file", "a/link") == 0);
  EXPECT(readlink("a/link", text, sizeof(text)) == 6 && strcmp(text, "b/file") == 0);
  EXPECT(stat("a/link", &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 4);
  EXPECT(lstat("a/link", &status) == 0 && S_ISLNK(status.st_mode));
  EXPECT_ERRNO(ELOOP, open("a/link", O_RDONLY | O_NOFOLLOW));
  EXPECT(link("a/b/file", "a/second") == 0 && stat("a/second", &status) == 0 && status.st_nlink == 2);
  EXPECT(stat("a/b/../b/./file", &status) == 0);
  EXPECT_ERRNO(ENOTDIR, stat("a/b/file/x", &status));
  EXPECT_ERRNO(EISDIR, open("a", O_WRONLY));
  int directory = open("a", O_RDONLY | O_DIRECTORY);
  EXPECT(directory >= 0);
  EXPECT(fstatat(directory, "b/file", &status, 0) == 0 && status.st_size == 4);
  EXPECT(renameat(directory, "second", directory, "b/third") == 0);
  EXPECT(unlinkat(directory, "b/third", 0) == 0);
  EXPECT_ERRNO(EISDIR, unlinkat(directory, "b", 0));
  EXPECT(close(directory) == 0);
  EXPECT(unlink("a/link") == 0 && unlink("a/b/file") == 0 && rmdir("a/b") == 0 && rmdir("a") == 0);
}

int main(void) {
  many_entries();
  links();
  return wrong;
}
