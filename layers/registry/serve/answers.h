// Answers of a registry: headers everybody expects, and errors as the distribution specification lists them.
#pragma once

#include <httplib.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace acetate::registry {

// {"errors":[{"code","message"}]} with the status that belongs to the code ("MANIFEST_UNKNOWN": 404).
void refuse(httplib::Response& response, const char* code, const std::string& message);
// The same for an error of ours: `missing` is the code for ENOENT; what is nobody's fault outside is a 500
// and a line in the log, not an explanation to strangers.
void refuse(httplib::Response& response, const Error& error, const char* missing);

// The part of a sorted list that ?n= and ?last= ask for, with a Link to the rest.
std::vector<std::string> page_of(const std::vector<std::string>& all, const httplib::Request& request,
                                 httplib::Response& response);

void answer_json(httplib::Response& response, const std::string& text,
                 const std::string& media_type = "application/json");

}  // namespace acetate::registry
