// What a registry's refusal means: a status, and usually a JSON list of errors (distribution-spec, "Error Codes").
#pragma once

#include <string>

#include "layers/registry/http.h"

namespace acetate::registry {

// Reads the rest of an answer that is no success. ENOENT (404), EACCES (401, 403), EFBIG (413), ERANGE (416),
// EOPNOTSUPP (405), EREMOTEIO (those that pass, see is_transient_status), else EPROTO; with the registry's own words.
Error answer_error(Exchange& answer, const std::string& what);

// The words of such a body, "" when it has none. Control characters are replaced: they come from strangers and go to
// a terminal. Pure.
std::string refusal_words(std::string_view body);

}  // namespace acetate::registry
