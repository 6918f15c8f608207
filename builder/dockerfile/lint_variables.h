// Which variables are defined at each instruction of a stage, as far as a linter can know. Private to lint*.cc.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/nodes.h"
#include "builder/dockerfile/words.h"

namespace acetate::dockerfile {

using Variables = std::map<std::string, std::string, std::less<>>;

class StageVariables {
 public:
  // `globals`: the ARGs before the first stage with what --build-arg makes of them; `given`: --build-arg.
  StageVariables(const Variables& globals, const Variables& given, char escape)
      : globals_(&globals), given_(&given), escape_(escape) {}

  // The variables of a base image.
  void add_env(const std::vector<std::string>& env);
  // Nobody knows what the base image defines.
  void set_base_unknown() { base_unknown_ = true; }
  bool base_unknown() const { return base_unknown_; }

  // The variables that an instruction uses and nothing defines, in the order of their use, each once; then what it defines is
  // defined.
  std::vector<std::string> undefined_in(const Node& node);

  // Names that can be meant instead.
  std::vector<std::string_view> names() const;

 private:
  void use(std::string_view word, std::vector<std::string>& undefined, bool plain_quotes = false) const;
  void use_mount(std::string_view text, std::vector<std::string>& undefined) const;
  void declare(std::string_view arg, std::vector<std::string>& undefined);
  std::string value_of(std::string_view word, std::vector<std::string>& undefined, bool plain_quotes = false) const;

  const Variables* globals_;
  const Variables* given_;
  char escape_;
  bool base_unknown_ = false;
  Variables values_;                             // ENV and ARG that have one
  std::set<std::string, std::less<>> declared_;  // ARG without one
};

}  // namespace acetate::dockerfile
