// The flags of one instruction, each asked for by name; what nobody asked for is unknown.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/nodes.h"

namespace acetate::dockerfile {

class Flags {
 public:
  Flags(const Node& node, const SourceText& source);

  // A flag that takes a value. Given twice is an error; without a value too.
  Result<std::optional<std::string>> value(std::string_view name);
  // One that may be given again and again.
  Result<std::vector<std::string>> values(std::string_view name);
  // "--name", "--name=true", "--name=false".
  Result<std::optional<bool>> boolean(std::string_view name);
  // An error when a flag is left that nobody asked for.
  Result<void> done() const;

 private:
  struct One {
    std::string name;
    std::optional<std::string> value;
    bool taken = false;
  };
  std::vector<One*> take(std::string_view name);
  Error complain(const One& flag, std::string_view words) const;

  const Node& node_;
  const SourceText& source_;
  std::vector<One> flags_;
  std::vector<std::string_view> asked_;
};

}  // namespace acetate::dockerfile
