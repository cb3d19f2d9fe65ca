// The walk from a parsed ModelProto to a Graph. onnx_reader.h says what comes out of it.
//
// Names are resolved in scopes. A graph, and the body of a local function, has one. A subgraph's
// scope looks names that it does not define up in the scope around it, and captures what it finds;
// a function's body sees nothing but its parameters, and puts its nodes into the graph of the call.
//
// Sources: importer.cc (graphs, values), import_node.cc (nodes, attributes), import_call.cc (calls
// of local functions).
#ifndef ERGO_FORMATS_ONNX_IMPORTER_H_
#define ERGO_FORMATS_ONNX_IMPORTER_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engine/graph/graph.h"
#include "formats/onnx/name_set.h"
#include "formats/onnx/node_order.h"
#include "formats/onnx/onnx.pb.h"
#include "formats/onnx/tensor_decode.h"
#include "kernels/base/status.h"

namespace ergo::onnx {

class Importer {
 public:
  // `model` outlives the importer, which takes the bytes of tensors out of it.
  Importer(ModelProto& model, std::optional<std::string> external_folder)
      : model_(model), tensors_(std::move(external_folder)) {}

  // Once.
  Result<Graph> Run();

 private:
  using Opsets = std::map<std::string, int, std::less<>>;  // by domain, "" for ai.onnx

  // A Graph under construction.
  struct Target {
    Graph& graph;
    NameSet value_names{}, node_names{};
    int depth = 0;  // of subgraphs
  };

  // The call whose body is being expanded.
  struct Call {
    std::map<std::string_view, AttributeProto*> attributes;  // by the name in the body
    std::map<std::string_view, std::string> results;  // names of the caller for the body's outputs
    std::string prefix;                               // for the names of all else
    int depth = 1;
  };

  struct Scope {
    Target& target;
    const Opsets& opsets;
    const Call* call = nullptr;  // of the function whose body this is, or lies in
    bool is_body = false;        // names are new ones, made for this call
    Scope* outer = nullptr;
    std::vector<ValueId>* captures = nullptr;  // of the graph of `outer`; set where outer is
    std::unordered_map<std::string_view, ValueId> values{};  // keys are the model's own strings
  };

  // importer.cc
  Status CheckModel();
  void AddMetadata(Graph& graph) const;
  Result<Opsets> ReadOpsets(
      const google::protobuf::RepeatedPtrField<OperatorSetIdProto>& imports) const;
  Status ImportGraph(Scope& scope, GraphProto& proto);
  void ReserveNames(Scope& scope, const GraphProto& proto);
  Status ImportInitializers(Scope& scope, GraphProto& proto);
  Status ImportInputs(Scope& scope, const GraphProto& proto);
  Status ImportInput(Scope& scope, const ValueInfoProto& proto);
  Status ImportOutputs(Scope& scope, const GraphProto& proto);
  Status ImportNodes(Scope& scope, NodeList& nodes);
  Result<Subgraph> ImportSubgraph(Scope& scope, std::string_view attribute, GraphProto& proto);

  // nullopt for names that nobody defines; kNoValue for an absent parameter of a function.
  std::optional<ValueId> Find(Scope& scope, std::string_view name);
  Result<ValueId> Use(Scope& scope, std::string_view name);
  // A new value that `name` means in this scope from now on.
  Result<ValueId> Define(Scope& scope, std::string_view name, const Tensor* constant = nullptr);
  // What the graph calls the value: its name in the file, or for a body's values a new one.
  std::string FullName(Scope& scope, std::string_view name);
  Status Count(int64_t& count, int64_t limit, std::string_view what) const;

  // OK where `status` is Unsupported, which is noted and reported with all the others at the end.
  Status Refuse(Status status, std::string_view place);

  // import_node.cc
  Status ImportNode(Scope& scope, NodeProto& proto);
  Status ImportConstant(Scope& scope, NodeProto& proto);
  Status ImportOperator(Scope& scope, NodeProto& proto, const std::string& domain);
  Status ImportAttribute(Scope& scope, AttributeProto& proto, Node& node);
  // The attribute itself, or what it refers to in the call; null for one that the call leaves out.
  Result<AttributeProto*> Resolve(const Scope& scope, AttributeProto& proto) const;
  Result<int> OpsetOf(const Scope& scope, const std::string& domain) const;
  std::string NodeName(Scope& scope, const NodeProto& proto);

  // import_call.cc
  Status IndexFunctions();
  FunctionProto* FindFunction(const std::string& domain, const NodeProto& proto) const;
  Status ImportCall(Scope& scope, NodeProto& proto, FunctionProto& function);
  Status BindAttributes(const Scope& scope, NodeProto& proto, FunctionProto& function, Call& call);
  Status BindResults(Scope& scope, Scope& body, const NodeProto& proto,
                     const FunctionProto& function, const std::vector<std::string>& result_names);

  ModelProto& model_;
  TensorDecoder tensors_;
  Opsets opsets_;
  std::map<std::tuple<std::string, std::string, std::string>, FunctionProto*> functions_;
  std::map<const FunctionProto*, Opsets> function_opsets_;
  std::vector<std::string> refusals_;
  int64_t refusal_count_ = 0;
  // Over all graphs, and with what local functions make of them when they are expanded.
  int64_t node_count_ = 0, value_count_ = 0, operand_count_ = 0, inlined_bytes_ = 0;
};

// "" for "ai.onnx".
std::string NormalizedDomain(const std::string& domain);

// ResourceExhausted above kMaxNameBytes.
Status CheckName(std::string_view name);

}  // namespace ergo::onnx

#endif  // ERGO_FORMATS_ONNX_IMPORTER_H_
