#include "cli/in_holder.h"

#include <ostream>

#include "base/log.h"
#include "builder/sandbox/any_holder.h"
#include "cli/failure.h"

namespace acetate::cli {

Result<int> in_holder(const Context& context, int failure, const std::function<Result<int>(const sandbox::HolderPlan&)>& body, bool own_pids) {
  context.streams.out.flush();
  context.streams.err.flush();
  auto inside = [&](const sandbox::HolderPlan& plan) {
    log::info("{}", plan.why);
    const auto ended = body(plan);
    if (!ended) tell_failure(context.streams, ended.error());
    context.streams.out.flush();
    context.streams.err.flush();
    if (!ended) return failure;
    return context.streams.out ? *ended : failure;
  };
  return sandbox::run_in_a_holder(inside, own_pids);
}

}  // namespace acetate::cli
