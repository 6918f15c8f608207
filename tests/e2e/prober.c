// Looks at a file in one way, for build_trace_test.sh. What it sees goes to standard output; what cannot be seen is said there too, and is no failure.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int say(const char *what, int failed) {
  printf("%s: %s\n", what, failed ? strerror(errno) : "done");
  return 0;
}

static int look(char **words) {
  char bytes[4096];
  if (strcmp(words[0], "true") == 0) return 0;
  if (strcmp(words[0], "access") == 0) return say("access", access(words[1], F_OK));
  if (strcmp(words[0], "getxattr") == 0) return say("getxattr", getxattr(words[1], words[2], bytes, sizeof bytes) < 0);
  if (strcmp(words[0], "listxattr") == 0) return say("listxattr", listxattr(words[1], bytes, sizeof bytes) < 0);
  if (strcmp(words[0], "exchange") == 0) {
    if (close(open(words[2], O_WRONLY | O_CREAT, 0644)) != 0) return say("making", 1);
    return say("exchange", renameat2(AT_FDCWD, words[1], AT_FDCWD, words[2], RENAME_EXCHANGE));
  }
  int file = open(words[1], O_RDONLY);
  if (file < 0) return say("open", 1);
  struct stat st;
  if (fstat(file, &st) != 0) return say("stat", 1);
  if (strcmp(words[0], "read") == 0) return say("read", read(file, bytes, sizeof bytes) < 0);
  if (strcmp(words[0], "send") == 0) return say("send", sendfile(STDOUT_FILENO, file, NULL, (size_t)st.st_size) < 0);
  if (strcmp(words[0], "map") == 0) {
    const char *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (at == MAP_FAILED) return say("map", 1);
    fwrite(at, 1, (size_t)st.st_size, stdout);
    return 0;
  }
  return 2;
}

int main(int argc, char **argv) {
  char **words = argv + 1;
  if (argc > 3 && strcmp(words[0], "as") == 0) {
    if (setgid((gid_t)atoi(words[1])) != 0 || setuid((uid_t)atoi(words[1])) != 0) {
      perror("probe");
      return 1;
    }
    words += 2;
  }
  return words[0] != NULL ? look(words) : 2;
}
