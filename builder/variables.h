// What $NAME means at one point of a Dockerfile: ENV first, then the ARGs declared so far.
//
// Scopes, as the Dockerfile reference has them: ARGs before the first FROM are seen by FROM lines, and by a
// stage only after it says ARG NAME itself; a stage built FROM another inherits its ARGs; --build-arg gives a
// value to a declared ARG, never declares one. The proxy variables are declared everywhere.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/words.h"
#include "layers/image/image.h"

namespace acetate::build {

using Strings = std::map<std::string, std::string, std::less<>>;

// "K=V" lists as image configurations have them. set_env keeps the order and replaces in place.
std::optional<std::string_view> get_env(const std::vector<std::string>& env, std::string_view name);
void set_env(std::vector<std::string>& env, std::string_view name, std::string_view value);

// The scope of FROM lines: TARGETARCH and its siblings, and the ARGs at the top of the file.
class GlobalScope {
 public:
  // `target`: the platform that is built for; `target_stage`: what TARGETSTAGE says. EINVAL with words for a default that does not
  // expand.
  static Result<GlobalScope> make(const dockerfile::Dockerfile& file, const Strings& build_args, const image::Platform& target,
                                  std::string_view target_stage);
  std::optional<std::string> find(std::string_view name) const;
  dockerfile::Lookup lookup() const;  // borrows this
  std::vector<std::string_view> names() const;

 private:
  Strings values_;
};

// The ARGs of one stage, in the order they were declared.
class StageArgs {
 public:
  StageArgs(const GlobalScope& global, const Strings& build_args) : global_(&global), build_args_(&build_args) {}

  const GlobalScope& global() const { return *global_; }

  // What --build-arg gives, declared or not.
  std::optional<std::string> given(std::string_view name) const;
  // ARG NAME or ARG NAME=DEFAULT; the default already expanded.
  void declare(const std::string& name, std::optional<std::string> value);

  // An ENV of that name, after it.
  void hide(std::string_view name);
  // A stage begins: what its base has of ENV comes after what the base's stage declared.
  void hide_all();

  // ENV and ARG, of one name the later, as BuildKit has it. Borrows both for as long as the lookup lives.
  dockerfile::Lookup lookup(const std::vector<std::string>& env) const;

  // "K=V" of every ARG, in the order they were declared first, with the value that the name has: what history tells.
  std::vector<std::string> told(const std::vector<std::string>& env) const;
  // The environment of a RUN: ENV, and the ARGs it does not hide, sorted.
  std::vector<std::string> environment(const std::vector<std::string>& env) const;
  // And what is there besides: the proxy variables that were given without an ARG for them, in upper and lower case whichever
  // was given.
  std::vector<std::string> proxies(const std::vector<std::string>& env) const;

 private:
  const GlobalScope* global_;
  const Strings* build_args_;
  struct Declared {
    std::string name;
    std::optional<std::string> value;
    bool shows = false;  // also where ENV has the name: it got its value after that
  };
  const Declared* declared(std::string_view name) const;
  std::vector<Declared> declared_;
};

}  // namespace acetate::build
