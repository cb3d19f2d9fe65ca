#include "server/core/bind_inputs.h"

#include <algorithm>

namespace ergo {
namespace {

// The number of the input that a tensor is for, or an error.
Result<size_t> InputNumber(const std::vector<Model::Port>& ports,
                           const native::WireTensor& tensor) {
  if (tensor.index != native::kIndexByName) {
    if (tensor.index < ports.size()) return size_t{tensor.index};
    return InvalidArgument("input {} given, the model has {} inputs", tensor.index, ports.size());
  }
  const auto port = std::ranges::find(ports, tensor.name, &Model::Port::name);
  if (port != ports.end()) return static_cast<size_t>(port - ports.begin());
  std::string names;
  for (const Model::Port& known : ports) {
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", known.name);
  }
  return InvalidArgument("the model has no input of the name given; it has {}", names);
}

}  // namespace

Status BindInputs(const Model& model, std::span<const native::WireTensor> tensors,
                  std::vector<TensorView>& inputs) {
  const std::vector<Model::Port>& ports = model.Inputs();
  inputs.assign(ports.size(), TensorView{});
  for (const native::WireTensor& tensor : tensors) {
    ERGO_ASSIGN_OR_RETURN(const size_t number, InputNumber(ports, tensor));
    const Model::Port& port = ports[number];
    if (inputs[number].dtype != DType::kUndefined) {
      return InvalidArgument("input '{}' is given twice", port.name);
    }
    if (tensor.view.dtype != port.dtype) {
      return InvalidArgument("input '{}' is {}, expected {}", port.name,
                             DTypeName(tensor.view.dtype), DTypeName(port.dtype));
    }
    inputs[number] = tensor.view;
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    if (inputs[i].dtype == DType::kUndefined) {
      return InvalidArgument("input '{}' ({} {}) is missing", ports[i].name,
                             DTypeName(ports[i].dtype), ports[i].shape.ToString());
    }
  }
  return {};
}

}  // namespace ergo
