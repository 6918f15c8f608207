/* Runs in a container that sees the host's processes and opens whatever program of acetate it can reach by /proc/PID/exe, as CVE-2019-5736 did, until it is told to end: then it says how many it reached.
 * Linked statically. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  long reached = 0, looked = 0;
  struct pollfd end = {.fd = 0, .events = POLLIN};
  puts("up");
  fflush(stdout);
  while (poll(&end, 1, 0) == 0) {
    DIR *all = opendir("/proc");
    for (struct dirent *each; all && (each = readdir(all));) {
      char path[300], program[4096];
      if (each->d_name[0] < '0' || each->d_name[0] > '9') continue;
      snprintf(path, sizeof path, "/proc/%s/exe", each->d_name);
      looked++;
      const ssize_t length = readlink(path, program, sizeof program - 1);
      if (length <= 0) continue;
      program[length] = 0;
      if (!strstr(program, "acetate")) continue;
      const int fd = open(path, O_RDONLY);
      if (fd < 0) continue;
      reached++;
      close(fd);
    }
    if (all) closedir(all);
  }
  printf("reached %ld\n", looked > 0 ? reached : -1);
  return 0;
}
