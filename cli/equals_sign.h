// What an equals sign means on the command lines of docker and podman (pflag), where CLI11 takes it otherwise.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace acetate::cli {

// The same words as CLI11 has to be told them: "-h=NAME" is "-hNAME", "-it=false" is "-i --tty=false", and "--entrypoint=" has an empty value
// instead of the next word. Words that are a value, behind "--", or a command's own (App::prefix_command) stay as they are.
std::vector<std::string> without_equals_signs(const CLI::App& app, std::span<const std::string> words);

}  // namespace acetate::cli
