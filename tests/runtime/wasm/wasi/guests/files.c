/* Files through stdio and through descriptors. Leaves kept.txt for the host. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "expect.h"

static void through_stdio(void) {
  char buffer[64];
  FILE* file = fopen("kept.txt", "w");
  EXPECT(file != NULL);
  EXPECT(fprintf(file, "%s %d\n", "line", 1) == 7);
  EXPECT(fputs("second line\n", file) >= 0);
  EXPECT(fclose(file) == 0);

  file = fopen("kept.txt", "r+");
  EXPECT(file != NULL);
  EXPECT(fgets(buffer, sizeof(buffer), file) == buffer && strcmp(buffer, "line 1\n") == 0);
  EXPECT(ftell(file) == 7);
  EXPECT(fseek(file, -5, SEEK_END) == 0);
  EXPECT(fread(buffer, 1, sizeof(buffer), file) == 5 && memcmp(buffer, "line\n", 5) == 0);
  EXPECT(feof(file));
  EXPECT(fseek(file, 5, SEEK_SET) == 0 && fputc('2', file) == '2');
  EXPECT(fclose(file) == 0);

  file = fopen("kept.txt", "a");
  EXPECT(file != NULL && fputs("appended\n", file) >= 0 && fclose(file) == 0);
  EXPECT(fopen("missing.txt", "r") == NULL && errno == ENOENT);
}

static void through_descriptors(void) {
  char buffer[16] = {0};
  struct stat status;
  int fd = open("data.bin", O_RDWR | O_CREAT | O_EXCL, 0666);
  EXPECT(fd >= 0);
  EXPECT_ERRNO(EEXIST, open("data.bin", O_RDWR | O_CREAT | O_EXCL, 0666));
  struct iovec parts[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
  EXPECT(writev(fd, parts, 3) == 6);
  EXPECT(lseek(fd, 2, SEEK_SET) == 2 && read(fd, buffer, 3) == 3 && memcmp(buffer, "cde", 3) == 0);
  EXPECT(pwrite(fd, "XY", 2, 10) == 2);
  EXPECT(pread(fd, buffer, sizeof(buffer), 5) == 7 && memcmp(buffer, "f\0\0\0\0XY", 7) == 0);
  EXPECT(lseek(fd, 0, SEEK_CUR) == 5);
  EXPECT(fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 12);
  EXPECT(ftruncate(fd, 4) == 0 && fstat(fd, &status) == 0 && status.st_size == 4);
  EXPECT(lseek(fd, (off_t)5 << 32, SEEK_SET) == (off_t)5 << 32); /* offsets have 64 bits */
  EXPECT(fsync(fd) == 0 && fdatasync(fd) == 0);
  EXPECT(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0);
  struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_sec = 2000, .tv_nsec = 6}};
  EXPECT(futimens(fd, times) == 0 && fstat(fd, &status) == 0);
  EXPECT(status.st_atim.tv_sec == 1000 && status.st_mtim.tv_sec == 2000 && status.st_mtim.tv_nsec == 6);
  EXPECT(close(fd) == 0);
  EXPECT_ERRNO(EBADF, read(fd, buffer, 1));
  EXPECT_ERRNO(EBADF, close(fd));

  fd = open("data.bin", O_RDONLY);
  EXPECT_ERRNO(EBADF, write(fd, "x", 1)); /* not opened for writing */
  EXPECT((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
  close(fd);
  fd = open("data.bin", O_WRONLY | O_APPEND);
  EXPECT(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "z", 1) == 1);
  EXPECT(lseek(fd, 0, SEEK_CUR) == 5);
  close(fd);
  EXPECT(open("data.bin", O_RDWR | O_TRUNC) == fd); /* the lowest number that is free */
  EXPECT(fstat(fd, &status) == 0 && status.st_size == 0);
  close(fd);
  EXPECT(rename("data.bin", "moved.bin") == 0);
  EXPECT_ERRNO(ENOENT, access("data.bin", F_OK));
  EXPECT(access("moved.bin", R_OK | W_OK) == 0);
  EXPECT(unlink("moved.bin") == 0);
  EXPECT_ERRNO(ENOENT, unlink("moved.bin"));
}

static void large(void) {
  enum { size = 3 << 20 };
  unsigned char* bytes = malloc(size);
  unsigned char* back = malloc(size);
  unsigned state = 1;
  for (int i = 0; i < size; ++i) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = (unsigned char)(state >> 24);
  }
  FILE* file = fopen("large.bin", "w+b");
  EXPECT(file != NULL && fwrite(bytes, 1, size, file) == size && fflush(file) == 0);
  rewind(file);
  EXPECT(fread(back, 1, size, file) == size && memcmp(bytes, back, size) == 0);
  EXPECT(fclose(file) == 0 && remove("large.bin") == 0);
  free(bytes);
  free(back);
}

int main(void) {
  through_stdio();
  through_descriptors();
  large();
  return wrong;
}
