#!/usr/bin/env python3
"""Makes the golden files of the networks in this folder: NAME.json -> NAME.safetensors.

    make_golden.py [NAME...]

Needs torch and safetensors. The JSON files are the only description of the networks: the same nodes
that the engine reads are built here from PyTorch's functions, in float64. Each golden file holds
  initial/<parameter>   float32, drawn here
  input, labels         one batch, images NHWC float32
  logits                in evaluation (running statistics), float64
  loss, gradient/<p>    in training, of the initial parameters
  losses, final/<p>     of 20 training steps on that batch; losses before each step
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent
STEPS = 20
ACTIVATIONS = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh}


def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


def margins(node, size, kernel, stride, dilation):
    """(left, right, top, bottom), as torch.nn.functional.pad wants it."""
    padding = node.get("padding", "same")
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        sides = []
        for axis in (1, 0):
            extent = (kernel[axis] - 1) * dilation[axis] + 1
            out = -(-size[axis] // stride[axis])
            total = max((out - 1) * stride[axis] + extent - size[axis], 0)
            sides += [total // 2, total - total // 2]
        return tuple(sides)
    if isinstance(padding, int):
        return (padding,) * 4
    if len(padding) == 2:
        return padding[1], padding[1], padding[0], padding[0]
    top, bottom, left, right = padding
    return left, right, top, bottom


class Network:
    """Parameters by the files' names, and forward() over the nodes; values are NCHW."""

    def __init__(self, description, generator):
        self.nodes = description["network"]["nodes"]
        self.image = description["image"]
        self.generator = generator
        self.parameters = {}
        self.state = {}
        self.make_parameters()

    def normal(self, *dims):
        return torch.randn(*dims, generator=self.generator, dtype=torch.float64)

    def keep(self, name, value, state=False):
        value = value.float().double()  # what float32 can hold
        if state:
            self.state[name] = value
        else:
            self.parameters[name] = value.requires_grad_()

    def make_parameters(self):
        """Runs the nodes once on shapes, so that each knows its channels."""
        self.making = True
        height, width, channels = self.image
        with torch.no_grad():
            self.forward(torch.zeros(2, channels, height, width, dtype=torch.float64), False)
        self.making = False

    def forward(self, x, training):
        values, last = {"": x}, ""
        for node in self.nodes:
            names = node["inputs"] if "inputs" in node else [node.get("input", last)]
            inputs = [values[name] for name in names]
            last = node["name"]
            values[last] = getattr(self, node["op"])(node, inputs, training)
        return values[last]

    def weights(self, node, dims, fan_in):
        name = node["name"]
        if self.making:
            self.keep(name + ".weight", self.normal(*dims) * (1.5 / fan_in) ** 0.5)
            if node.get("bias", True):
                self.keep(name + ".bias", 0.1 * self.normal(dims[0]))
        return self.parameters[name + ".weight"], self.parameters.get(name + ".bias")

    def conv2d(self, node, inputs, training):
        x = inputs[0]
        kernel, groups = pair(node["kernel"]), node.get("groups", 1)
        stride, dilation = pair(node.get("stride", 1)), pair(node.get("dilation", 1))
        dims = (node["filters"], x.shape[1] // groups, *kernel)
        weight, bias = self.weights(node, dims, dims[1] * dims[2] * dims[3])
        x = F.pad(x, margins(node, x.shape[2:], kernel, stride, dilation))
        y = F.conv2d(x, weight, bias, stride, 0, dilation, groups)
        return ACTIVATIONS[node.get("activation", "none")](y)

    def dense(self, node, inputs, training):
        x = inputs[0].flatten(1)
        weight, bias = self.weights(node, (node["units"], x.shape[1]), x.shape[1])
        y = ACTIVATIONS[node.get("activation", "none")](F.linear(x, weight, bias))
        return y[:, :, None, None]

    def max_pool(self, node, inputs, training):
        kernel, stride = pair(node["kernel"]), pair(node["stride"])
        x = inputs[0]
        x = F.pad(x, margins(node, x.shape[2:], kernel, stride, (1, 1)), value=-torch.inf)
        return F.max_pool2d(x, kernel, stride)

    def average_pool(self, node, inputs, training):
        kernel, stride = pair(node["kernel"]), pair(node["stride"])
        x = inputs[0]
        sides = margins(node, x.shape[2:], kernel, stride, (1, 1))
        mean = F.avg_pool2d(F.pad(x, sides), kernel, stride)
        if node.get("count_include_padding", False):
            return mean
        return mean / F.avg_pool2d(F.pad(torch.ones_like(x), sides), kernel, stride)

    def global_average_pool(self, node, inputs, training):
        return inputs[0].mean((2, 3), keepdim=True)

    def batch_normalization(self, node, inputs, training):
        name, channels = node["name"], inputs[0].shape[1]
        if self.making:
            self.keep(name + ".weight", 1 + 0.2 * self.normal(channels))
            self.keep(name + ".bias", 0.2 * self.normal(channels))
            self.keep(name + ".running_mean", 0.2 * self.normal(channels), state=True)
            self.keep(name + ".running_var", 0.5 + self.normal(channels).abs(), state=True)
            return inputs[0]
        return F.batch_norm(inputs[0], self.state[name + ".running_mean"],
                            self.state[name + ".running_var"], self.parameters[name + ".weight"],
                            self.parameters[name + ".bias"], training,
                            node.get("momentum", 0.1), node.get("epsilon", 1e-5))

    def activation(self, node, inputs, training):
        return ACTIVATIONS[node["function"]](inputs[0])

    def add(self, node, inputs, training):
        return sum(inputs[1:], inputs[0])

    def concat(self, node, inputs, training):
        return torch.cat(inputs, 1)

    def flatten(self, node, inputs, training):
        # The engine's images are NHWC: channels are the fastest.
        return inputs[0].permute(0, 2, 3, 1).flatten(1)[:, :, None, None]

    def everything(self):
        return {**self.parameters, **self.state}


def make_optimizer(keys, parameters):
    keys = dict(keys)
    kind, clip = keys.pop("type"), keys.pop("clip_norm", 0)
    arguments = {"lr": keys.pop("learning_rate"), "weight_decay": keys.pop("weight_decay", 0)}
    if kind in ("adam", "adamw"):
        arguments["betas"] = (keys.pop("beta1", 0.9), keys.pop("beta2", 0.999))
        arguments["eps"] = keys.pop("epsilon")
    elif kind == "rmsprop":
        arguments |= {"alpha": keys.pop("rho"), "eps": keys.pop("epsilon"),
                      "momentum": keys.pop("momentum", 0)}
    else:
        arguments |= {"momentum": keys.pop("momentum", 0), "nesterov": keys.pop("nesterov", False)}
    assert not keys, keys
    make = {"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW}[kind]
    return make(parameters, **arguments), clip


def make_golden(name):
    description = json.loads((FOLDER / f"{name}.json").read_text())
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    network = Network(description, generator)
    batch, classes = description["batch"], description["classes"]
    height, width, channels = description["image"]
    x = network.normal(batch, channels, height, width).float().double()
    labels = torch.randint(0, classes, (batch,), generator=generator)
    smoothing = description.get("label_smoothing", 0)
    golden = {f"initial/{key}": value.detach().float().clone()
              for key, value in network.everything().items()}
    golden["input"] = x.permute(0, 2, 3, 1).float().contiguous()
    golden["labels"] = labels

    with torch.no_grad():
        golden["logits"] = network.forward(x, False).flatten(1).clone()
    optimizer, clip = make_optimizer(description["optimizer"], list(network.parameters.values()))
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(network.forward(x, True).flatten(1), labels,
                               label_smoothing=smoothing)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            for key, value in network.parameters.items():
                golden[f"gradient/{key}"] = value.grad.float().clone()
        if clip:
            norm = torch.sqrt(sum((p.grad**2).sum() for p in network.parameters.values()))
            if norm > clip:
                for parameter in network.parameters.values():
                    parameter.grad *= clip / norm
        optimizer.step()
    golden["losses"] = torch.tensor(losses, dtype=torch.float64)
    for key, value in network.everything().items():
        golden[f"final/{key}"] = value.detach().float().clone()
    path = FOLDER / f"{name}.safetensors"
    save_file(golden, path)
    path.chmod(0o644)
    size = sum(value.numel() for value in network.parameters.values())
    print(f"{name}: {size} parameters, loss {losses[0]:.4f} -> {losses[-1]:.4f}")


if __name__ == "__main__":
    for each in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.json")):
        make_golden(each)
