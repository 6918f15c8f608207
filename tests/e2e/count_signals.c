/* Runs in a container: says the name of each signal it gets, on a line, and ends with 4 at SIGUSR2. Linked statically. SIGURG is not counted: Go sends it to
 * its own threads, and runc hands it on. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  puts("up");
  fflush(stdout);
  for (;;) {
    siginfo_t info;
    const int number = sigwaitinfo(&all, &info);
    if (number < 0 || number == SIGURG) continue;
    if (number == SIGUSR2) return 4;
    printf("%s\n", sigabbrev_np(number) ? sigabbrev_np(number) : "?");
    fflush(stdout);
  }
}
