// Who uses an image store, any number at once, and who removes blobs from it, alone.
//
// Two locks (flock(2)): STORE/.acetate-lock, which everybody who uses the store has shared and who removes has alone; and STORE/.acetate-turn before it, through
// which everybody goes to the first. Who wants to be alone closes that one for a while: those who come now wait outside until those who are in have gone,
// so that pulls which come and go do not keep garbage collection away for ever. It opens again after that while, whoever is in: nobody waits for one who waits for
// him, for longer than it.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::image {

// Shared, until the last one who has it lets it go. Where `makes` is false and there is no lock file, which is so where nobody ever removes
// anything, null. Who has a store already (this process) does not wait outside. Thread-safe.
Result<std::shared_ptr<const void>> hold_store(const std::string& dir, bool makes);

// For a server, before each of its requests: other threads of this process have the store open one after the other, so that it would never be
// let go. Waits outside while somebody wants to be alone. Must not be called by who holds it.
void await_turn(const std::string& dir);

// Alone, until it is closed. EWOULDBLOCK bare where somebody uses it and `wait` is false. Must not be called by who holds it.
Result<Fd> take_store_alone(const std::string& dir, bool wait);

}  // namespace acetate::image
