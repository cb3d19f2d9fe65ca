// The window of convolutions and poolings on the command line.
#ifndef ERGO_BENCH_MICRO_WINDOW_TEXT_H_
#define ERGO_BENCH_MICRO_WINDOW_TEXT_H_

#include <span>

#include "bench/micro/shape_text.h"
#include "kernels/base/window.h"

namespace ergo::micro {

// Spatial dimensions `in`, with k, s, d (1) and p (0, the same at both ends) from the text: one
// number for all axes or one an axis. InvalidArgument for other counts or windows that do not fit.
Result<Window> ReadWindow(ShapeText& shape, std::span<const int64_t> in);

}  // namespace ergo::micro

#endif  // ERGO_BENCH_MICRO_WINDOW_TEXT_H_
