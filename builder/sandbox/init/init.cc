// acetate-init: pid 1 of a container with --init. Starts the command, hands signals on, reaps what is orphaned,
// and ends as the command did. Linked statically, since it is started in images that have no C library of ours.
//
// usage: acetate-init -- COMMAND [ARG...]
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

void say(const char* text) {
  // Best effort: there is nobody to tell that stderr is gone.
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

[[noreturn]] void become(char** argv, const sigset_t& before) {
  sigprocmask(SIG_SETMASK, &before, nullptr);
  // A group of its own in front of the terminal, so that ^C reaches it once and ^Z stops it and not us.
  setpgid(0, 0);
  tcsetpgrp(STDIN_FILENO, getpid());
  signal(SIGTTOU, SIG_DFL);
  signal(SIGTTIN, SIG_DFL);
  execvp(argv[0], argv);
  const int code = errno == ENOENT || errno == ENOTDIR ? kNotFound : kCannotExecute;
  say("acetate-init: ");
  say(argv[0]);
  say(code == kNotFound ? ": not found\n" : ": cannot be executed\n");
  _exit(code);
}

// Reaps everybody who has ended; true with the command's code once that has.
bool reap(pid_t command, int& code) {
  bool over = false;
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == command) {
      over = true;
      code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  return over;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || std::strcmp(argv[1], "--") != 0) {
    say("usage: acetate-init -- COMMAND [ARG...]\n");
    return kCannotExecute;
  }
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  signal(SIGTTOU, SIG_IGN);
  signal(SIGTTIN, SIG_IGN);
  const pid_t command = fork();
  if (command < 0) {
    say("acetate-init: cannot fork\n");
    return kCannotExecute;
  }
  if (command == 0) become(argv + 2, before);
  int code = 0;
  for (siginfo_t info; !reap(command, code);) {
    // Only what comes after the look above wakes us: SIGCHLD is blocked, so none is lost between the two.
    const int signal = sigwaitinfo(&all, &info);
    if (signal > 0 && signal != SIGCHLD) kill(command, signal);
  }
  return code;
}
