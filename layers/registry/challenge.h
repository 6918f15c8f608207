// WWW-Authenticate (RFC 9110 §11.6.1): what a registry wants to see before it answers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace acetate::registry {

struct Challenge {
  std::string scheme;                             // in small letters: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in small letters
};

// All challenges of all such headers, in their order. One header may hold several, and a server several headers.
// What does not parse ends the list of that header; what came before it stays. Pure.
std::vector<Challenge> parse_challenges(const std::vector<std::string>& headers);

}  // namespace acetate::registry
