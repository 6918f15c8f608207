// --chmod: octal, or symbolic as chmod(1) has it ("u=rwX,go=rX", "a+x").
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::build {

class ModeChange {
 public:
  // EINVAL with words.
  static Result<ModeChange> parse(std::string_view text);
  // The permission bits (07777) of an object that has `mode` now.
  mode_t apply(mode_t mode, bool is_dir) const;
  // What every object gets, where it was octal.
  std::optional<mode_t> whole() const;

 private:
  struct Clause {
    mode_t who;        // 0700, 0070, 0007 and the set-id bits that belong to them
    char operation;    // '+', '-', '='; 'o': `bits` is the whole mode
    mode_t bits;       // r, w, x, s, t in every place
    bool conditional;  // X: execute only for directories and what somebody can execute already
    mode_t copy_from;  // u, g or o as the source of the bits; 0 for none
  };
  std::vector<Clause> clauses_;
};

}  // namespace acetate::build
