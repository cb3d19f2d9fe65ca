"""What a model is fed in a comparison, and what it should answer."""

import pathlib

import numpy as np

SEED = 1


def save(path, array):
    np.save(path, array)


def load(path):
    return np.load(path)


def ports_of(path):
    import onnx

    model = onnx.load(path, load_external_data=False)
    weights = {weight.name for weight in model.graph.initializer}
    return [port for port in model.graph.input if port.name not in weights]


def recorded_arrays(path, number):
    """test_data_set_K/input_0.pb, ... beside the model."""
    import onnx

    folder = pathlib.Path(path).parent / f"test_data_set_{number}"
    files = [folder / f"input_{i}.pb" for i in range(len(ports_of(path)))]
    return [onnx.numpy_helper.to_array(onnx.load_tensor(str(file))) for file in files]


def random_arrays(path, dims):
    """Floats normal, integers in [0, 10), free dimensions as `dims` ("NAME=N") says, else 1."""
    given = dict(text.split("=", 1) for text in dims)
    generator = np.random.default_rng(SEED)
    return [random_array(port, given, generator) for port in ports_of(path)]


def random_array(port, given, generator):
    import onnx

    tensor = port.type.tensor_type
    shape = [d.dim_value or int(given.get(d.dim_param, 1)) for d in tensor.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    if np.issubdtype(dtype, np.floating):
        return generator.standard_normal(shape).astype(dtype)
    if dtype == np.bool_:
        return generator.random(shape) < 0.5
    return generator.integers(0, 10, shape).astype(dtype)


def reference_outputs(path, files):
    """{name: array} by ONNX Runtime with every optimization off."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {port.name: load(file) for port, file in zip(session.get_inputs(), files)}
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, feed)))
