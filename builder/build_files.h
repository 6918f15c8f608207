// The files that say what is to be built: the Dockerfile, what it leaves out, and what is to be said about it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/base_image.h"
#include "builder/build.h"
#include "builder/context_source.h"
#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/lint.h"

namespace acetate::build {

struct DockerfileText {
  std::string name;  // as messages say it
  std::string path;  // "" when it was not a file
  std::string text;
};

// The options once it is known where their context lies: it may be a Dockerfile itself.
BuildOptions in_context(const BuildOptions& given, const ContextDir& where);

// What is built for: at least one.
std::vector<image::Platform> platforms_of(const BuildOptions& options);

// ENOENT with words that name what was looked for. What is in the context is read as context_file.h says; what the person named
// outside of it as any program reads a file.
Result<DockerfileText> read_dockerfile(const BuildOptions& options);

// The file that --ignorefile names, which must be there; else NAME.dockerignore beside the Dockerfile wins over the context's own.
Result<dockerfile::IgnoreRules> read_ignore(const BuildOptions& options, const DockerfileText& dockerfile);

// The first of these names that a directory has; else nothing is left out.
Result<dockerfile::IgnoreRules> read_ignore_of(const std::string& dir, const std::vector<std::string>& names);

// The warnings of a Dockerfile, as far as it and --build-arg BUILDKIT_DOCKERFILE_CHECK do not skip them.
struct Checked {
  std::vector<dockerfile::LintWarning> warnings;
  dockerfile::SourceText source;
  bool strict = false;  // "error=true"
  // EINVAL with words where a warning fails the build.
  Result<void> verdict() const;
};
// `bases`: asked for the images it begins with, as far as they are here; `built`: see LintSurroundings.
Result<Checked> check_text(const BuildOptions& options, const DockerfileText& text, const dockerfile::IgnoreRules& ignore,
                           BaseImages& bases, const image::Platform& platform, std::optional<std::vector<std::size_t>> built = {});

// The images that FROM and COPY --from of this build can mean. Keeps `cache`.
BaseImages base_images(const BuildOptions& options, Cache& cache, const FetchImage& fetch = {}, const FetchContext& fetch_context = {});

}  // namespace acetate::build
