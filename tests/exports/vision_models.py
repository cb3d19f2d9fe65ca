"""torchvision's models with random weights."""

import torch
import torchvision
from model_spec import ALL_EXPORTERS, ModelSpec, average_statistics, randomize, reseed
from torch import nn

# Opset 23 has an operator for attention.
ATTENTIVE = ["vit", "swin", "vit_b_16", "swin_t"]
SIZES = {"inception_v3": 299, "fcn_resnet50": 128}
CLASSIFIERS = [
    *["resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0"],
    *["squeezenet1_1", "densenet121", "shufflenet_v2_x1_0", "inception_v3", "vit_b_16", "swin_t"],
    "convnext_tiny",
]


def images(name, size, dynamic=True):
    def make(k):
        reseed(f"{name} images {k}")
        batch = 4 if k >= 100 else (2 if k == 0 and dynamic else 1)
        return (torch.randn(batch, 3, size, size),)

    return make


def classifier(name, make=None, size=None):
    def build():
        reseed(name)
        options = {"init_weights": False} if name == "inception_v3" else {}
        module = make() if make else getattr(torchvision.models, name)(weights=None, **options)
        return randomize(module)

    return ModelSpec(
        name,
        build,
        images(name, size or SIZES.get(name, 224)),
        ["image"],
        ["logits"],
        dynamic={"image": {0: "batch"}},
        data_sets=2,
        calibrate=True,
        exporters=ALL_EXPORTERS if name in ATTENTIVE else ("torchscript", "dynamo"),
    )


class Segmenter(nn.Module):
    """The masks only, of what torchvision gives by name."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model(image)["out"]


def segmenter(name, make, size):
    def build():
        reseed(name)
        return randomize(Segmenter(make()))

    return ModelSpec(
        name,
        build,
        images(name, size),
        ["image"],
        ["masks"],
        dynamic={"image": {0: "batch"}},
        data_sets=2,
        calibrate=True,
    )


class Detector(nn.Module):
    """One image's boxes, scores and labels; the heads' logits spread, so that few pass the
    threshold and their order does not hang on the last bit."""

    def __init__(self, model, spread):
        super().__init__()
        self.model = model
        self.spread = spread

    def forward(self, image):
        found = self.model([image])
        found = found[1] if isinstance(found, tuple) else found
        return found[0]["boxes"], found[0]["scores"], found[0]["labels"]

    def settle_norms(self, image_size):
        """BatchNorm statistics of random images, through the backbone alone: in training mode a
        detector wants boxes to learn."""
        backbone = self.model.backbone.train()
        average_statistics(backbone)
        with torch.no_grad():
            for _ in range(3):
                backbone(torch.randn(4, 3, image_size, image_size))
        return self.eval()

    def spread_logits(self, layers, image):
        """Scales the last layers of the classifying head to logits of standard deviation `spread`
        on `image`."""
        seen = {layer: [] for layer in layers}
        hooks = [layer.register_forward_hook(lambda m, i, o: seen[m].append(o)) for layer in layers]
        with torch.no_grad():
            for name, layer in self.named_modules():
                if isinstance(layer, nn.Conv2d) and "classification_head" in name:
                    nn.init.kaiming_normal_(layer.weight)  # theirs make all scores one
            for layer in layers:
                layer.bias.zero_()
            self(image)
            for layer in layers:
                logits = torch.cat([logits.flatten() for logits in seen[layer]])
                layer.weight.mul_(self.spread / logits.std())
        for hook in hooks:
            hook.remove()
        return self


def detector(name, make, find_layers, size, spread):
    def image(k):
        reseed(f"{name} image {k}")
        return (torch.rand(3, size, size),)

    def build():
        reseed(name)
        module = Detector(randomize(make()), spread).settle_norms(size)
        return module.spread_logits(find_layers(module.model), *image(100))

    # torch.export stops where torchvision's code asks how many boxes there are.
    return ModelSpec(
        name,
        build,
        image,
        ["image"],
        ["boxes", "scores", "labels"],
        data_sets=2,
        exporters=("torchscript",),
    )


def ssdlite():
    return torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        score_thresh=0.2,
        topk_candidates=100,
        detections_per_img=100,
    )


def retinanet():
    return torchvision.models.detection.retinanet_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        score_thresh=0.9,
        min_size=256,
        max_size=256,
        detections_per_img=50,
    )


def faster_rcnn():
    return torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, box_score_thresh=0.2, rpn_post_nms_top_n_test=50
    )


class Proposer(nn.Module):
    """Non-maximum suppression in the only way that torch.export takes: how many boxes are left is
    asked nowhere."""

    def __init__(self, backbone, width, anchors):
        super().__init__()
        self.backbone = backbone
        self.scores = nn.Conv2d(width, 1, 1)
        self.boxes = nn.Conv2d(width, 4, 1)
        self.count = anchors

    def forward(self, image):
        features = self.backbone(image)
        scores = torch.sigmoid(self.scores(features)).flatten()
        scores, best = torch.topk(scores, self.count)
        boxes = self.boxes(features).flatten(2)[0].transpose(0, 1)[best]
        middles, sizes = boxes[:, :2] * 20, torch.exp(boxes[:, 2:]) * 10
        boxes = torch.cat([middles - sizes, middles + sizes], dim=1)
        kept = torchvision.ops.nms(boxes, scores, 0.4)
        # Not the corners: where middle and size cancel, nothing is left but rounding.
        return sizes[kept], scores[kept], features.mean(dim=(2, 3))


def proposer(name, make_backbone, width, size, anchors):
    def image(k):
        reseed(f"{name} image {k}")
        return (torch.randn(1, 3, size, size),)

    def build():
        reseed(name)
        return randomize(Proposer(make_backbone(), width, anchors))

    outputs = ["sizes", "scores", "pooled"]
    return ModelSpec(name, build, image, ["image"], outputs, data_sets=2, calibrate=True)


def specs():
    segmentation = torchvision.models.segmentation
    return [
        *[classifier(name) for name in CLASSIFIERS],
        segmenter(
            "fcn_resnet50",
            lambda: segmentation.fcn_resnet50(weights=None, weights_backbone=None),
            SIZES["fcn_resnet50"],
        ),
        detector(
            "ssdlite320_mobilenet_v3_large",
            ssdlite,
            lambda model: [block[-1] for block in model.head.classification_head.module_list],
            320,
            3.0,
        ),
        detector(
            "retinanet_resnet50_fpn",
            retinanet,
            lambda model: [model.head.classification_head.cls_logits],
            256,
            1.0,
        ),
        detector(
            "fasterrcnn_mobilenet_v3_large_320_fpn",
            faster_rcnn,
            lambda model: [model.roi_heads.box_predictor.cls_score],
            320,
            2.0,
        ),
        proposer(
            "mobilenet_v2_nms",
            lambda: torchvision.models.mobilenet_v2(weights=None).features[:14],
            *[96, 224, 100],
        ),
    ]
