// The epilogue of a product or a convolution as an elementwise program over its result, for
// libraries that do not have it: y = activation(y + operand + ...), in place.
//
// Thread safety: pure.
#ifndef ERGO_KERNELS_ELEMENTWISE_EPILOGUE_PROGRAM_H_
#define ERGO_KERNELS_ELEMENTWISE_EPILOGUE_PROGRAM_H_

#include <span>

#include "kernels/base/activation.h"
#include "kernels/elementwise/elementwise_program.h"

namespace ergo {

// Input 0 is y, then the operands, which broadcast to it.
ElementwiseProgram EpilogueProgram(DType dtype, const Shape& y, std::span<const Shape> operands,
                                   const ActivationSpec& activation);

}  // namespace ergo

#endif  // ERGO_KERNELS_ELEMENTWISE_EPILOGUE_PROGRAM_H_
