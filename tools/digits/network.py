"""A small convolutional network in NumPy: forward, backward, and nothing that digits do not need.

Activations are [N, C, H, W] float32. Each layer keeps what its backward pass needs, and lists its
parameters as (value, gradient) pairs, so that the optimizer knows no layer.
"""

import numpy as np


class Conv3x3:
    """Convolution, 3x3, stride 1, padding 1, without bias (BatchNorm follows)."""

    def __init__(self, rng, channels_in, channels_out):
        scale = np.sqrt(2.0 / (9 * channels_in))
        shape = (channels_out, channels_in, 3, 3)
        self.weight = (rng.standard_normal(shape) * scale).astype(np.float32)
        self.grad = np.zeros_like(self.weight)

    def parameters(self):
        return [(self.weight, self.grad)]

    def forward(self, x, training):
        n, c, h, w = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        # One row an output pixel, one column a weight.
        self.columns = np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, c * 9)
        self.shape = x.shape
        out = self.columns @ self.weight.reshape(len(self.weight), -1).T
        return out.reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, grad):
        n, c, h, w = self.shape
        rows = np.ascontiguousarray(grad.transpose(0, 2, 3, 1)).reshape(-1, grad.shape[1])
        self.grad[...] = (rows.T @ self.columns).reshape(self.weight.shape)
        columns = (rows @ self.weight.reshape(len(self.weight), -1)).reshape(n, h, w, c, 3, 3)
        out = np.zeros((n, c, h + 2, w + 2), np.float32)
        for i in range(3):
            for j in range(3):
                out[:, :, i : i + h, j : j + w] += columns[..., i, j].transpose(0, 3, 1, 2)
        return out[:, :, 1:-1, 1:-1]


class BatchNorm:
    """Ioffe and Szegedy, 2015; running statistics for inference."""

    EPSILON = 1e-5

    def __init__(self, channels):
        self.gamma = np.ones(channels, np.float32)
        self.beta = np.zeros(channels, np.float32)
        self.grad_gamma = np.zeros_like(self.gamma)
        self.grad_beta = np.zeros_like(self.beta)
        self.mean = np.zeros(channels, np.float32)
        self.variance = np.ones(channels, np.float32)

    def parameters(self):
        return [(self.gamma, self.grad_gamma), (self.beta, self.grad_beta)]

    def forward(self, x, training):
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.mean += 0.1 * (mean - self.mean)
            self.variance += 0.1 * (variance - self.variance)
        else:
            mean, variance = self.mean, self.variance
        self.inverse = 1 / np.sqrt(variance + self.EPSILON)
        self.normal = (x - mean[:, None, None]) * self.inverse[:, None, None]
        return self.normal * self.gamma[:, None, None] + self.beta[:, None, None]

    def backward(self, grad):
        self.grad_gamma[...] = (grad * self.normal).sum((0, 2, 3))
        self.grad_beta[...] = grad.sum((0, 2, 3))
        count = grad.size / grad.shape[1]
        mean = (self.grad_beta / count)[:, None, None]
        along = self.normal * (self.grad_gamma / count)[:, None, None]
        return (grad - mean - along) * (self.gamma * self.inverse)[:, None, None]


class Relu:
    def parameters(self):
        return []

    def forward(self, x, training):
        self.positive = x > 0
        return x * self.positive

    def backward(self, grad):
        return grad * self.positive


class MaxPool2x2:
    def parameters(self):
        return []

    def forward(self, x, training):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2)
        out = blocks.max((3, 5))
        self.largest = blocks == out[:, :, :, None, :, None]
        self.shape = x.shape
        return out

    def backward(self, grad):
        # Ties share the gradient.
        share = grad[:, :, :, None, :, None] / self.largest.sum((3, 5), keepdims=True)
        return (self.largest * share).reshape(self.shape).astype(np.float32)


class Dense:
    def __init__(self, rng, features_in, features_out):
        scale = np.sqrt(1.0 / features_in)
        self.weight = (rng.standard_normal((features_out, features_in)) * scale).astype(np.float32)
        self.bias = np.zeros(features_out, np.float32)
        self.grad_weight = np.zeros_like(self.weight)
        self.grad_bias = np.zeros_like(self.bias)

    def parameters(self):
        return [(self.weight, self.grad_weight), (self.bias, self.grad_bias)]

    def forward(self, x, training):
        self.shape = x.shape
        self.flat = x.reshape(len(x), -1)
        return self.flat @ self.weight.T + self.bias

    def backward(self, grad):
        self.grad_weight[...] = grad.T @ self.flat
        self.grad_bias[...] = grad.sum(0)
        return (grad @ self.weight).reshape(self.shape)


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


class Adam:
    """Kingma and Ba, 2015, with decoupled weight decay."""

    def __init__(self, parameters, weight_decay):
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.step_count = 0
        self.first = [np.zeros_like(value) for value, _ in parameters]
        self.second = [np.zeros_like(value) for value, _ in parameters]

    def step(self, rate):
        self.step_count += 1
        correction = np.sqrt(1 - 0.999**self.step_count) / (1 - 0.9**self.step_count)
        for (value, grad), first, second in zip(self.parameters, self.first, self.second):
            first += 0.1 * (grad - first)
            second += 0.001 * (grad * grad - second)
            value *= 1 - rate * self.weight_decay
            value -= rate * correction * first / (np.sqrt(second) + 1e-8)
