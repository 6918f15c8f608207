// The steps of a stage, described before anything is done: every variable expanded, every path absolute.
//
// Plain data. plan_stage() makes them, cache keys are taken from them, and one function each carries them out.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "builder/dockerfile/mount.h"
#include "builder/dockerfile/source_text.h"
#include "builder/git_ref.h"
#include "builder/graph.h"
#include "builder/sandbox/spec.h"
#include "layers/image/image.h"

namespace acetate::build {

// Changes the configuration only; `after` says everything.
struct ConfigStep {};

// What every RUN of a build has besides, because the person who builds wants it: no Dockerfile says so.
struct RunBesides {
  std::vector<sandbox::MountPoint> volumes = {};    // --volume. What they hold is no part of a key
  std::vector<std::string> nameservers = {};        // --dns, instead of ours; nor are they
  std::optional<std::vector<std::string>> capabilities = {};  // --cap-add, --cap-drop: instead of docker's fourteen
};

// Runs a process over the layers so far and keeps what it wrote.
struct RunStep {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // "K=V"
  std::vector<std::string> proxies = {};  // the same, but neither in a key nor in the history: how this machine reaches others
  std::string cwd;
  std::string user;              // as USER says it; "" is root
  bool network = true;
  bool insecure = false;         // every capability of the namespace
  std::string hostname = "buildkitsandbox";
  struct Mount {
    dockerfile::Mount is;            // target absolute, id filled in
    std::optional<Origin> from = {};  // of bind and cache; absent: the context, and nothing
  };
  std::vector<Mount> mounts = {};
  struct Device {
    std::string name;        // "/dev/…", or "vendor.com/class=name" by CDI
    bool required = false;   // else left out where it is not
    bool allowed = false;    // by --allow; else only what is for every build
  };
  std::vector<Device> devices = {};
  std::vector<std::string> hosts = {};      // further lines of /etc/hosts: "10.0.0.1\tname"
  std::uint64_t shm_size = 0;               // of /dev/shm, bytes; 0: the default
  std::vector<sandbox::Limit> limits = {};
  RunBesides besides = {};
  // A here-document that begins with "#!": put at `path`, read-only, and run.
  struct Script {
    std::string path, text;
  };
  std::optional<Script> script = {};
};

// Makes a directory and its parents where they are missing.
struct WorkdirStep {
  std::string path;
  std::string user;
};

// COPY and ADD.
struct CopyStep {
  bool add = false;
  std::vector<std::string> sources;  // patterns, from the root of what they are copied from
  struct InlineFile {
    std::string name, content;
  };
  std::vector<InlineFile> inline_files = {};
  struct Remote {
    std::string url;
    std::optional<GitRef> git = {};  // else a file
    std::string checksum = {};       // of a file: "sha256:…" or "sha512:…"
    bool keep_git_dir = false;
    bool unpack = false;
  };
  std::vector<Remote> remotes = {};  // of ADD
  std::string dest;                  // absolute; ends with '/' where a directory is meant
  std::optional<Origin> from = {};   // the context when absent
  std::string chown = {}, chmod = {};
  std::vector<std::string> excludes = {};
  bool parents = false;
  bool link = false;                 // what is there below does not matter: no symlink of it is followed
  bool unpack = false;               // local tarballs are unpacked
};

struct Step {
  dockerfile::Place place;
  std::string title;        // as a person wrote it: "RUN make"
  std::string created_by;   // what the image's history says
  bool on_build = false;    // a trigger of the base image
  image::Config after;      // the configuration once the step is done
  std::variant<ConfigStep, RunStep, WorkdirStep, CopyStep> what;
};

}  // namespace acetate::build
