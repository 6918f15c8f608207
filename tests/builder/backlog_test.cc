#include "builder/backlog.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

namespace acetate::build {
namespace {

TEST(Backlog, DoesItsWorkInOrderAndWaitsForAllOfItAtTheEnd) {
  std::string done;
  {
    Backlog backlog;
    for (const char letter : std::string("abcde")) backlog.add([&done, letter] { done += letter; });
  }
  EXPECT_EQ(done, "abcde");
}

TEST(Backlog, DoesNotKeepWhoAddsWaiting) {
  std::promise<void> go_on;
  std::string done;
  {
    Backlog backlog;
    backlog.add([&, ready = go_on.get_future().share()] {
      ready.wait();
      done += "first";
    });
    backlog.add([&] { done += " second"; });
    go_on.set_value();  // is reached though the first waits for it
  }
  EXPECT_EQ(done, "first second");
}

TEST(Backlog, GivesUpWhatAPieceHeldBeforeTheNext) {
  auto held = std::make_shared<int>(1);
  long others = -1;
  const std::weak_ptr<int> watched = held;
  {
    Backlog backlog;
    backlog.add([held = std::move(held)] {});
    backlog.add([&] { others = watched.use_count(); });
  }
  EXPECT_EQ(others, 0);
}

}  // namespace
}  // namespace acetate::build
