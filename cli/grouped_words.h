// Commands as docker and podman group them: `acetate image ls` is `acetate images`.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace acetate::cli {

// The words by which we know the command; the same ones where it is not one of a group. `image`, `system` and `container` are groups: of a word behind them that is no
// command of theirs nothing is changed but that, so that who reads it is told of it.
std::vector<std::string> without_group(std::span<const std::string> words);

}  // namespace acetate::cli
