// Whether this processor multiplies unsigned by signed bytes and adds four products to 32 bits in
// one instruction (vpdpbusd of AVX-512 VNNI). Highway 1.0.3 has no target for it.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VPDPBUSD.
#ifndef ERGO_KERNELS_QGEMM_VNNI_H_
#define ERGO_KERNELS_QGEMM_VNNI_H_

namespace ergo {

// True where kernels of the SIMD target in force may use it: that is an AVX-512 one, and the
// processor has the instruction. Thread safety: as ActiveSimdTarget.
bool VnniInForce();

}  // namespace ergo

#endif  // ERGO_KERNELS_QGEMM_VNNI_H_
