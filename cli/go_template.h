// The part of Go's text/template that scripts use with --format: docker's and podman's users have written
// '{{.Id}}' and '{{range .RepoTags}}{{println .}}{{end}}' into their files for years.
//
// Understood: {{.A.B}}, {{.}}, {{$}}, {{$x := …}} and $x, strings and numbers, pipes, parentheses, {{- and -}},
// comments, range (with else, and with $i, $e :=), if, else if, with, end; and the functions json, index, len, join,
// split, lower, upper, title, truncate, print, println, printf (%s %v %d %q %%), eq, ne, lt, le, gt, ge, and, or,
// not. Differences from Go: a field that a map does not have is empty instead of "<no value>", and letters of a
// field's name may be in either case when no name fits exactly ({{.ID}} and {{.Id}} are one).
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace acetate::cli {

class GoTemplate {
 public:
  // EINVAL with words that quote the part that is not understood. "\t" and "\n" outside of {{ }} are a tab and a
  // new line, as docker has it.
  static Result<GoTemplate> parse(std::string_view text);
  GoTemplate(GoTemplate&&) noexcept;
  GoTemplate& operator=(GoTemplate&&) noexcept;
  ~GoTemplate();

  // EINVAL with words for a field that `value` lacks (they name those it has) and for functions used on what they
  // do not fit.
  Result<std::string> render(const nlohmann::ordered_json& value) const;
  // The fields of the top value that are printed, in order: "Repository", "Tag". For headings.
  std::vector<std::string> fields() const;

 private:
  struct State;
  explicit GoTemplate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace acetate::cli
