// The runner of a place that makes no namespaces, such as a container without privileges: COPY, ADD, WORKDIR and what only the cache is
// asked for need none, so such a build works there, and says at its first RUN why that one does not.
#include "builder/runner.h"

namespace acetate::build {

namespace {

class UnableRunner : public Runner {
 public:
  UnableRunner(std::string kind, Error why) : kind_(std::move(kind)), why_(std::move(why)) {}

  std::string kind() const override { return kind_; }

  Result<RunOutcome> run(const RunStep&, const std::vector<std::string>&, const std::vector<ReadyMount>&, bool, const OutputSink&) override {
    return why_.clone().within("nothing can be run here (steps without RUN can be built)");
  }

 private:
  std::string kind_;
  Error why_;
};

}  // namespace

std::unique_ptr<Runner> make_unable_runner(std::string kind, Error why) { return std::make_unique<UnableRunner>(std::move(kind), std::move(why)); }

}  // namespace acetate::build
