"""Models with the structure of the full ones and so few weights that an export takes about 100
kB: what the exporters make of them is what they make of the full ones."""

from functools import partial

import sequence_models
import torch
import torchvision
import vision_models
from torch import nn
from torchvision.models import detection, efficientnet, mobilenetv3, segmentation

CLASSES = 5


def shortcut(width_in, width_out, stride):
    conv = nn.Conv2d(width_in, width_out, 1, stride=stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width_out))


class Bottlenecks(nn.Module):
    """ResNet's blocks, whose class knows only wide ones."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        resnet = torchvision.models.resnet
        self.deep = nn.Sequential(
            resnet.Bottleneck(8, 4, downsample=shortcut(8, 16, 1)),
            resnet.Bottleneck(16, 4),
            resnet.BasicBlock(16, 8, 2, downsample=shortcut(16, 8, 2)),
        )
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.out = nn.Linear(8, CLASSES)

    def forward(self, image):
        return self.out(torch.flatten(self.pool(self.deep(self.stem(image))), 1))


def mobilenet_v2():
    rows = [[1, 8, 1, 1], [3, 8, 2, 2], [3, 16, 1, 2]]
    net = torchvision.models.MobileNetV2(CLASSES, 0.5, rows, round_nearest=8)
    # Theirs ends in 1280 channels whatever the width.
    net.features[-1] = torchvision.ops.Conv2dNormActivation(
        8, 24, kernel_size=1, activation_layer=nn.ReLU6
    )
    net.classifier[1] = nn.Linear(24, CLASSES)
    return net


def mobilenet_v3():
    row = partial(mobilenetv3.InvertedResidualConfig, width_mult=1.0)
    rows = [
        row(8, 3, 8, 8, True, "RE", 2, 1),
        row(8, 3, 16, 8, False, "HS", 1, 1),
        row(8, 5, 24, 16, True, "HS", 2, 1),
    ]
    return torchvision.models.MobileNetV3(rows, 24, num_classes=CLASSES)


def efficientnet_b0():
    row = partial(efficientnet.MBConvConfig, width_mult=1.0, depth_mult=1.0)
    rows = [row(1, 3, 1, 8, 8, 1), row(4, 3, 2, 8, 8, 2), row(4, 5, 2, 8, 16, 1)]
    return torchvision.models.EfficientNet(rows, 0.2, num_classes=CLASSES, last_channel=24)


def densenet():
    return torchvision.models.DenseNet(4, (2, 2), 8, bn_size=2, num_classes=CLASSES)


def shufflenet():
    return torchvision.models.ShuffleNetV2([2, 2, 2], [8, 16, 24, 32, 40], CLASSES)


def squeezenet():
    fire = torchvision.models.squeezenet.Fire
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        fire(8, 4, 8, 8),
        fire(16, 4, 8, 8),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.Dropout(),
        nn.Conv2d(16, CLASSES, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )


def vit():
    return torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=CLASSES)


def swin():
    return torchvision.models.SwinTransformer(
        [4, 4], 8, [2, 1], [1, 2], [4, 4], stochastic_depth_prob=0.1, num_classes=CLASSES
    )


def convnext():
    row = torchvision.models.convnext.CNBlockConfig
    return torchvision.models.ConvNeXt([row(8, 16, 1), row(16, None, 2)], 0.1, num_classes=CLASSES)


class FeatureNet(nn.Module):
    """Features at two scales by name, as detectors and segmenters take them."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        net = Bottlenecks()
        self.stem, self.deep = net.stem, net.deep

    def forward(self, image):
        fine = self.stem(image)
        return {"0": fine, "1": self.deep(fine)}


class Deepest(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = FeatureNet()

    def forward(self, image):
        return {"out": self.net(image)["1"]}


def fcn():
    return segmentation.FCN(Deepest(), segmentation.fcn.FCNHead(8, CLASSES))


def ssdlite():
    anchors = detection.ssd.DefaultBoxGenerator([[2], [2]])
    head = detection.ssdlite.SSDLiteHead(
        [8, 8], anchors.num_anchors_per_location(), CLASSES, nn.BatchNorm2d
    )
    return detection.ssd.SSD(
        *[FeatureNet(), anchors, (48, 48), CLASSES],
        head=head,
        score_thresh=0.4,
        topk_candidates=20,
        detections_per_img=30,
    )


def retinanet():
    anchors = detection.anchor_utils.AnchorGenerator(((16, 24),) * 2, ((0.5, 1.0),) * 2)
    return detection.RetinaNet(
        *[FeatureNet(), CLASSES],
        min_size=48,
        max_size=48,
        anchor_generator=anchors,
        score_thresh=0.7,
        topk_candidates=20,
        detections_per_img=30,
    )


def faster_rcnn():
    anchors = detection.anchor_utils.AnchorGenerator(((16, 32),) * 2, ((0.5, 1.0),) * 2)
    return detection.FasterRCNN(
        FeatureNet(),
        min_size=48,
        max_size=48,
        rpn_anchor_generator=anchors,
        rpn_pre_nms_top_n_test=30,
        rpn_post_nms_top_n_test=10,
        box_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0", "1"], 3, 2),
        box_head=detection.faster_rcnn.TwoMLPHead(8 * 9, 16),
        box_predictor=detection.faster_rcnn.FastRCNNPredictor(16, CLASSES),
        box_score_thresh=0.3,
        box_detections_per_img=20,
    )


def specs():
    classifiers = {
        "resnet": Bottlenecks,
        "mobilenet_v2": mobilenet_v2,
        "mobilenet_v3": mobilenet_v3,
        "efficientnet": efficientnet_b0,
        "squeezenet": squeezenet,
        "densenet": densenet,
        "shufflenet": shufflenet,
        "vit": vit,
        "swin": swin,
        "convnext": convnext,
    }
    ssd_heads = lambda m: [block[-1] for block in m.head.classification_head.module_list]
    retina_heads = lambda m: [m.head.classification_head.cls_logits]
    roi_heads = lambda m: [m.roi_heads.box_predictor.cls_score]
    return [
        *[vision_models.classifier(name, make, 32) for name, make in classifiers.items()],
        vision_models.segmenter("fcn", fcn, 32),
        vision_models.detector("ssdlite", ssdlite, ssd_heads, 48, 2.0),
        vision_models.detector("retinanet", retinanet, retina_heads, 48, 1.0),
        vision_models.detector("fasterrcnn", faster_rcnn, roi_heads, 48, 2.0),
        vision_models.proposer("nms", lambda: mobilenet_v2().features[:3], 8, 32, 30),
        sequence_models.searcher("loop"),
        sequence_models.branches("branches"),
        sequence_models.tagger("lstm_tagger", (30, 6, 8, 5)),
        sequence_models.forecaster("lstm_gru_forecaster", 4, 8),
        *sequence_models.transformers(sequence_models.TINY),
    ]
