// Models built in memory, with answers that a test can compute itself.
#ifndef ERGO_TESTS_SERVER_INTEGRATION_SMALL_MODELS_H_
#define ERGO_TESTS_SERVER_INTEGRATION_SMALL_MODELS_H_

#include <memory>
#include <vector>

#include "engine/run/model.h"
#include "server/models/repository.h"

namespace ergo {

// y[n, 4] = x[n, 3] * w[3, 4] + b[4]; w[i][j] = i + 2 j, b[j] = j. Input "x", output "y".
std::unique_ptr<Model> MakeAffine();
std::vector<float> AffineAnswer(std::span<const float> x);

// sum = a + b, difference = a - b; a and b are [n].
std::unique_ptr<Model> MakeSumAndDifference();

// y = x * x * ... [n, n], `times` products: slow, for tests of queues and workers.
std::unique_ptr<Model> MakePower(int times);

// "affine" 1, "sums" 1 and 3, "power" 1.
std::unique_ptr<Repository> MakeRepository();

}  // namespace ergo

#endif  // ERGO_TESTS_SERVER_INTEGRATION_SMALL_MODELS_H_
