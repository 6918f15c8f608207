// A Dockerfile understood: stages and typed instructions. Variables are not expanded yet, because what they
// hold depends on the base image.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "builder/dockerfile/lines.h"

namespace acetate::dockerfile {

struct NameValue {
  std::string name, value;
};

// A command line in the exec form, or one text for the shell.
struct CommandLine {
  bool shell = false;
  std::vector<std::string> words;
};

struct Arg {
  struct One {
    std::string name;
    std::optional<std::string> value;
  };
  std::vector<One> args;
};
struct Env {
  std::vector<NameValue> values;
};
struct Label {
  std::vector<NameValue> values;
};
struct Run {
  CommandLine command;
  std::vector<Heredoc> heredocs;
  std::vector<std::string> mounts;     // --mount, as written
  std::optional<std::string> network;  // --network
  std::optional<std::string> security;
  std::vector<std::string> devices;
};
// COPY, and ADD with `add` set.
struct Copy {
  bool add = false;
  std::vector<std::string> sources;
  std::vector<Heredoc> inline_files;
  std::string dest;
  std::optional<std::string> from, chown, chmod, checksum;
  std::vector<std::string> excludes;
  bool link = false, parents = false, keep_git_dir = false;
  std::optional<bool> unpack;
};
struct Workdir {
  std::string path;
};
struct User {
  std::string user;
};
struct Expose {
  std::vector<std::string> ports;
};
struct Volume {
  std::vector<std::string> paths;
};
struct Cmd {
  CommandLine command;
};
struct Entrypoint {
  CommandLine command;
};
struct Shell {
  std::vector<std::string> words;
};
struct StopSignal {
  std::string signal;
};
struct Maintainer {
  std::string author;
};
struct Healthcheck {
  bool none = false;
  CommandLine command;
  std::chrono::nanoseconds interval{}, timeout{}, start_period{}, start_interval{};  // 0: the default
  int retries = 0;
};
struct Onbuild {
  std::string trigger;  // the instruction as text, here-documents included
};

struct Instruction {
  Place place;
  std::string original;  // as written, continuations joined
  std::variant<Arg, Env, Label, Run, Copy, Workdir, User, Expose, Volume, Cmd, Entrypoint, Shell, StopSignal,
               Maintainer, Healthcheck, Onbuild>
      what;
};

struct Stage {
  Place place;
  std::string original;
  std::string base;  // as written, variables and all
  std::optional<std::string> platform;
  std::string name;  // in lower case; "" when it has none
  std::vector<Instruction> body;
};

struct Dockerfile {
  SourceText source;
  Directives directives;
  std::vector<Instruction> globals;  // ARGs before the first FROM
  std::vector<Stage> stages;
};

}  // namespace acetate::dockerfile
