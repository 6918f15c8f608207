// What a layer's index, and what was read of the layer, become for those who are far away.
//
// They fetch an index before they see a file, and spans before they read a byte. So the index that is published has windows of which only
// what is used was kept (layers/stream/slim_window.h), and where it is known what is read its spans are cut to that
// (layers/stream/finer_spans.h). It is an index of the same layer, as docs/layer-index.md has them.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "layers/stream/read_trace.h"
#include "layers/stream/source.h"
#include "layers/tar/index_store.h"

namespace acetate {

// What readers will wait for who mount the layer lazily, where opening a file looks whether it is a program, and brings all of one that is
// (TarLayerOptions::programs_whole_at_open): `points`, before each the first bytes of the files it lies in, behind it the programs. Spans that were noted without a length have the length of the index's. By `points`' order, at most
// kMostTracePoints. `packed` are the layer's bytes.
Result<std::vector<TracePoint>> points_for_others(const LayerIndexPtr& index, const SourcePtr& packed, std::vector<TracePoint> points);

// Writes that index into an empty file. `points` may be none. Not synced.
Result<void> write_index_for_others(const LayerIndexPtr& index, const SourcePtr& packed, const std::vector<TracePoint>& points, FdRef out);

}  // namespace acetate
