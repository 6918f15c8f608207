#include "layers/registry/fetcher/precedence.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace acetate::registry {
namespace {

using namespace std::chrono_literals;

TEST(Precedence, LetsNobodyPassWhileSomethingUrgentIsUnderWay) {
  Precedence precedence;
  precedence.yield(1h);  // nothing is
  precedence.begin();
  precedence.begin();
  std::atomic<bool> last = false;
  std::thread other([&] {
    precedence.yield(1h);
    EXPECT_TRUE(last);
  });
  precedence.end();
  last = true;
  precedence.end();
  other.join();
}

TEST(Precedence, LetsPassAfterAWhile) {
  Precedence precedence;
  precedence.begin();
  precedence.yield(1ms);
}

}  // namespace
}  // namespace acetate::registry
