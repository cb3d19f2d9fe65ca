#include "tools/ergo/input_tensors.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <random>
#include <set>

#include "formats/model_file.h"
#include "formats/npy/npy.h"

namespace ergo::tool {
namespace {

// std distributions differ between libraries; the engine itself does not.
float UnitFloat(std::mt19937_64& engine) {
  return static_cast<float>(engine() >> 40) * 0x1p-24f;
}

template <typename T>
Tensor Fill(const Shape& shape, auto&& next) {
  AlignedBuffer buffer =
      AlignedBuffer::AllocateOrDie(static_cast<size_t>(shape.Elements()) * sizeof(T));
  for (T& value : std::span(buffer.As<T>(), static_cast<size_t>(shape.Elements()))) {
    value = static_cast<T>(next());
  }
  return Tensor(DTypeOf<T>::value, shape, std::move(buffer));
}

// The file that is meant for each port; ports without one stay empty.
Result<std::vector<std::string>> MatchFiles(std::span<const Model::Port> ports,
                                            const std::vector<std::string>& inputs) {
  std::vector<std::string> files(ports.size());
  for (const std::string& text : inputs) {
    std::string name, file;
    if (ports.size() == 1 && text.find('=') == std::string::npos) {
      name = ports[0].name;
      file = text;
    } else {
      ERGO_ASSIGN_OR_RETURN(std::tie(name, file), SplitAssignment("--input", text));
    }
    const auto port = std::ranges::find(ports, name, &Model::Port::name);
    if (port == ports.end()) {
      std::vector<std::string> names;
      for (const Model::Port& known : ports) names.push_back("'" + known.name + "'");
      return InvalidArgument("--input: the model has no input '{}': its inputs are {}", name,
                             fmt::join(names, ", "));
    }
    std::string& slot = files[static_cast<size_t>(port - ports.begin())];
    if (!slot.empty()) return InvalidArgument("--input: '{}' is given twice", name);
    if (file.empty()) return InvalidArgument("--input: no file for '{}'", name);
    slot = file;
  }
  return files;
}

Status RefuseMissing(std::span<const Model::Port> ports, const std::vector<std::string>& files) {
  std::vector<std::string> missing;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!files[i].empty()) continue;
    missing.push_back(fmt::format("'{}' ({} {})", ports[i].name, DTypeName(ports[i].dtype),
                                  ports[i].shape.ToString()));
  }
  if (missing.empty()) return {};
  return InvalidArgument(
      "no array for input {}: give --input NAME=FILE.npy, or --random SEED for "
      "those not given",
      fmt::join(missing, ", "));
}

std::string FileStem(std::string_view name) {
  std::string stem;
  for (const char c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
    stem += plain ? c : '_';
  }
  // "." and ".." and hidden files are nobody's intent.
  if (stem.empty() || stem[0] == '.') stem.insert(0, "_");
  constexpr size_t kMaxStem = 200;
  return stem.substr(0, kMaxStem);
}

}  // namespace

Result<Tensor> RandomTensor(DType dtype, const Shape& shape, uint64_t seed) {
  std::mt19937_64 engine(seed);
  const auto real = [&] { return 2 * UnitFloat(engine) - 1; };
  const auto small = [&] { return engine() % 10; };
  const auto byte = [&] { return engine() >> 56; };
  const auto coin = [&] { return (engine() >> 63) != 0; };
  switch (dtype) {
    case DType::kF32: return Fill<float>(shape, real);
    case DType::kF64: return Fill<double>(shape, real);
    case DType::kF16: return Fill<Float16>(shape, real);
    case DType::kBF16: return Fill<BFloat16>(shape, real);
    case DType::kU8: return Fill<uint8_t>(shape, byte);
    case DType::kI8: return Fill<int8_t>(shape, byte);
    case DType::kU16: return Fill<uint16_t>(shape, small);
    case DType::kI16: return Fill<int16_t>(shape, small);
    case DType::kU32: return Fill<uint32_t>(shape, small);
    case DType::kI32: return Fill<int32_t>(shape, small);
    case DType::kU64: return Fill<uint64_t>(shape, small);
    case DType::kI64: return Fill<int64_t>(shape, small);
    case DType::kBool: return Fill<bool>(shape, coin);
    default: return Unsupported("no random values of type {}", DTypeName(dtype));
  }
}

void DefineInputFlags(CLI::App& app, InputFlags& flags) {
  app.add_option("--input", flags.inputs, "Array of an input: .npy, or .pb (TensorProto)")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  app.add_option("--random", flags.random, "Fill the inputs that are not given at random")
      ->type_name("SEED");
  DefineShapeFlags(app, flags.shapes);
}

std::vector<TensorView> GatheredInputs::Views() const {
  std::vector<TensorView> views;
  for (const Tensor& tensor : tensors) views.push_back(tensor.View());
  return views;
}

Result<GatheredInputs> GatherInputs(std::span<const Model::Port> ports, const InputFlags& flags,
                                    std::span<const DimRange> ranges) {
  ERGO_ASSIGN_OR_RETURN(const std::vector<std::string> files, MatchFiles(ports, flags.inputs));
  if (!flags.random) ERGO_RETURN_IF_ERROR(RefuseMissing(ports, files));

  GatheredInputs gathered;
  gathered.tensors.resize(ports.size());
  ShapeRequest request{flags.shapes, std::nullopt, ranges, {}};
  request.given.resize(ports.size());
  for (size_t i = 0; i < ports.size(); ++i) {
    if (files[i].empty()) continue;
    ERGO_ASSIGN_OR_RETURN(NamedTensor named, ReadTensorFile(files[i]));
    gathered.tensors[i] = std::move(named.tensor);
    if (gathered.tensors[i].Type() != ports[i].dtype) {
      return InvalidArgument("{}: input '{}' is {}, the file holds {}", files[i], ports[i].name,
                             DTypeName(ports[i].dtype), DTypeName(gathered.tensors[i].Type()));
    }
    request.given[i] = gathered.tensors[i].GetShape();
  }
  ERGO_ASSIGN_OR_RETURN(BoundShapes bound, BindShapes(ports, request));
  gathered.assumed = std::move(bound.assumed);
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!files[i].empty()) continue;
    // Inputs of one shape should not be copies of each other.
    const uint64_t seed = *flags.random + i * 0x9e3779b97f4a7c15u;
    auto tensor = RandomTensor(ports[i].dtype, bound.shapes[i], seed);
    if (!tensor.ok()) {
      return std::move(tensor).status().WithContext(fmt::format("input '{}'", ports[i].name));
    }
    gathered.tensors[i] = std::move(tensor).value();
  }
  return gathered;
}

Status WriteOutputs(const std::string& folder, std::span<const OutputTensor> outputs) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Error(StatusCode::kDeviceError, "{}: cannot make the folder: {}", folder,
                 error.message());
  }
  std::set<std::string> taken;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::string stem = FileStem(outputs[i].name);
    if (!taken.insert(stem).second) {
      stem += fmt::format("_{}", i);
      taken.insert(stem);
    }
    const TensorView& view = outputs[i].view;
    // Borrowed for the call: WriteNpy only reads.
    const Tensor tensor(view.dtype, view.shape, view.data, nullptr);
    ERGO_RETURN_IF_ERROR(WriteNpy(fmt::format("{}/{}.npy", folder, stem), tensor));
  }
  return {};
}

}  // namespace ergo::tool
