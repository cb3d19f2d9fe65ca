// Quantization to and from the small types (kernels/base/small_types.h).
#ifndef ERGO_KERNELS_QUANTIZE_QUANTIZE_SMALL_H_
#define ERGO_KERNELS_QUANTIZE_QUANTIZE_SMALL_H_

#include "kernels/quantize/quantize.h"

namespace ergo {

MadeKernel MakeQuantizeSmall(const QuantizeProblem& problem);
MadeKernel MakeDequantizeSmall(const DequantizeProblem& problem);

}  // namespace ergo

#endif  // ERGO_KERNELS_QUANTIZE_QUANTIZE_SMALL_H_
