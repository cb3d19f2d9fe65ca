// Which kind of processor this is, for what was measured on one kind to be used on that kind alone.
#ifndef ERGO_KERNELS_BASE_PROCESSOR_H_
#define ERGO_KERNELS_BASE_PROCESSOR_H_

#include <string>

namespace ergo {

// The brand that the processor tells of itself, "AMD EPYC 7B13 64-Core Processor", and the SIMD
// target in use: "... AVX2". The brand is missing where there is no such instruction.
// Thread safety: as ActiveSimdTarget.
std::string ProcessorKind();

}  // namespace ergo

#endif  // ERGO_KERNELS_BASE_PROCESSOR_H_
