"""The engines that Ergo is compared with, each behind the same three calls.

An engine is a class with
    __init__(model, inputs, threads)   from a path to a loaded model; what a user waits for
    run()                              one inference, synchronously
    outputs()                          {name: array} of one inference

Each is set up as its documentation advises for the latency of single requests in float32: all graph
optimizations, the given number of threads for one inference, no second stream, outputs bound to
memory where that saves a copy. Imports are inside, so that one engine's libraries never enter
another's process.
"""


class OnnxRuntime:
    def __init__(self, model, inputs, threads):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.version = ort.__version__
        self.inputs = inputs  # whose memory the binding shares
        self.binding = self.session.io_binding()
        for port, array in zip(self.session.get_inputs(), inputs):
            self.binding.bind_cpu_input(port.name, array)
        for port in self.session.get_outputs():
            self.binding.bind_output(port.name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        self.run()
        names = [port.name for port in self.session.get_outputs()]
        return dict(zip(names, self.binding.copy_outputs_to_cpu()))


class OpenVino:
    def __init__(self, model, inputs, threads):
        import openvino

        core = openvino.Core()
        network = core.read_model(model)
        network.reshape({i: list(array.shape) for i, array in enumerate(inputs)})
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.compiled = core.compile_model(network, "CPU", settings)
        self.version = openvino.__version__.split("-")[0]
        self.inputs = inputs  # whose memory the request shares
        self.request = self.compiled.create_infer_request()
        for i, array in enumerate(inputs):
            self.request.set_input_tensor(i, openvino.Tensor(array, shared_memory=True))

    def run(self):
        self.request.infer()

    def outputs(self):
        self.run()
        ports = enumerate(self.compiled.outputs)
        return {
            port.get_any_name(): self.request.get_output_tensor(i).data.copy() for i, port in ports
        }


class Torch:
    """The module that tests/exports/export_models.py exported the model from, in eager mode."""

    compiled = False

    def __init__(self, model, inputs, threads):
        import pathlib
        import sys

        import torch

        sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "exports"))
        import sequence_models
        import vision_models
        from model_spec import settle

        # .../resnet50-torchscript/model.onnx
        name = pathlib.Path(model).parent.name.rpartition("-")[0]
        specs = {spec.name: spec for spec in [*vision_models.specs(), *sequence_models.specs()]}
        if name not in specs:
            raise ValueError(f"no module is known of the name '{name}'")
        torch.set_num_threads(threads)
        self.torch = torch
        self.names = specs[name].output_names
        self.module = settle(specs[name].make(), specs[name])
        self.inputs = [torch.from_numpy(array) for array in inputs]
        self.version = torch.__version__
        if self.compiled:
            self.module = torch.compile(self.module)
            self.run()

    def run(self):
        with self.torch.inference_mode():
            return self.module(*self.inputs)

    def outputs(self):
        values = self.run()
        values = [values] if self.torch.is_tensor(values) else list(values)
        return dict(zip(self.names, (value.numpy() for value in values)))


class TorchCompiled(Torch):
    """The same through torch.compile, which needs a C++ compiler."""

    compiled = True


ENGINES = {
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "torch": Torch,
    "torch-compile": TorchCompiled,
}
