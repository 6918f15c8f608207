#include "cli/in_holder.h"

#include <ostream>

#include "base/log.h"
#include "builder/sandbox/any_holder.h"
#include "cli/failure.h"

namespace acetate::cli {

namespace {

using Body = std::function<Result<int>(const sandbox::HolderPlan&)>;

// The body with what a process of its own has to do itself.
std::function<int(const sandbox::HolderPlan&)> self_contained(const Context& context, int failure, const Body& body) {
  context.streams.out.flush();
  context.streams.err.flush();
  return [&context, failure, &body](const sandbox::HolderPlan& plan) {
    log::info("{}", plan.why);
    const auto ended = body(plan);
    if (!ended) tell_failure(context.streams, ended.error());
    context.streams.out.flush();
    context.streams.err.flush();
    if (!ended) return failure;
    return context.streams.out ? *ended : failure;
  };
}

}  // namespace

Result<int> in_holder(const Context& context, int failure, const Body& body, bool own_pids) {
  return sandbox::run_in_a_holder(self_contained(context, failure, body), own_pids);
}

Result<int> in_holder_or_here(const Context& context, int failure, const Body& body) {
  return sandbox::run_in_a_holder_or_here(self_contained(context, failure, body));
}

}  // namespace acetate::cli
