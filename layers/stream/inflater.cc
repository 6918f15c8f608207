#include "layers/stream/inflater.h"

namespace acetate {

Result<std::unique_ptr<Inflater>> make_inflater(InflateEngine engine) {
#ifdef ACETATE_WITH_ISAL
  if (engine == InflateEngine::fastest) return isal_inflater();
#endif
  (void)engine;
  return zlib_inflater();
}

}  // namespace acetate
