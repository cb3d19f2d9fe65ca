// Samples of a model's inputs from a folder, for calibration.
#ifndef ERGO_TOOLS_ERGO_CALIBRATION_FOLDER_H_
#define ERGO_TOOLS_ERGO_CALIBRATION_FOLDER_H_

#include <memory>
#include <string>

#include "engine/graph/graph.h"
#include "engine/quantize/calibration.h"

namespace ergo::tool {

// A sample is a folder test_data_set_K with input_I.pb, in the layout of ONNX's backend tests, or,
// for models with one input, a file .npy or .pb, in the order of their names. Files are read as
// they are asked for; folders of test data at once. NotFound when there is neither.
Result<std::unique_ptr<CalibrationData>> OpenCalibrationFolder(const std::string& folder,
                                                               const Graph& graph);

}  // namespace ergo::tool

#endif  // ERGO_TOOLS_ERGO_CALIBRATION_FOLDER_H_
