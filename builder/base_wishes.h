// What a person wants to be otherwise in the images that a Dockerfile begins with: --env, --unsetlabel, --inherit-labels.
#pragma once

#include <string>
#include <vector>

#include "builder/variables.h"
#include "layers/image/image.h"

namespace acetate::build {

struct BaseWishes {
  Strings env = {};                             // added to what the base has; an ENV of the Dockerfile counts after it
  std::vector<std::string> unset_labels = {};   // not inherited
  bool inherit_labels = true;                   // false: none is
};

// `of_stage`: the base is an earlier stage, which has the variables already, as it left them.
void adapt_base(image::Config& config, const BaseWishes& wishes, bool of_stage);

}  // namespace acetate::build
