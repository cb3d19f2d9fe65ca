"""ergo convert --verify, --bisect and --report, and the pages that come out."""

import html.parser
import json
import unittest

import onnx_bytes as onnx
from command_line import DIGITS, FAILED, MODEL, USAGE, CommandTest


class Page(html.parser.HTMLParser):
    """The elements of a page, their texts, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.loads, self.texts = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes = dict(attributes)
        self.loads += [value for key, value in attributes if key in ("src", "href")]

    def handle_data(self, data):
        if self.elements and self.elements[-1] == "script":
            self.texts.setdefault(self.attributes.get("id"), data)


class VerifyTest(CommandTest):
    def convert(self, model=MODEL, *options, code=0):
        return self.json("convert", model, "-o", self.folder / "out.ergo", *options, code=code)

    def test_random_inputs_against_the_reference(self):
        for options in [[], ["--no-optimize"], ["--batch", "3"], ["--dim", "batch=2..4"],
                        ["--seed", 7]]:
            report = self.convert(MODEL, "--verify", "random", *options)
            self.assertTrue(report["verify"]["matches"], options)
            self.assertEqual(report["verify"]["outputs"], 1)
            self.assertGreater(report["verify"]["comparisons"][0]["cosine"], 0.999999)
        self.ergo("verify", self.folder / "out.ergo", "--data", "random")
        text = self.ergo("convert", MODEL, "-o", self.folder / "o", "--verify", "random").stdout
        self.assertIn("1 of 1 outputs match", text)

    def test_recorded_outputs(self):
        self.assertTrue(self.convert(MODEL, "--verify", DIGITS)["verify"]["matches"])

    def test_what_is_wrong_is_not_written(self):
        # Half precision is that far off.
        options = ["--precision", "fp16", "--verify", "random", "--rtol", 0, "--atol", 1e-9]
        report = self.convert(MODEL, *options, "--bisect", code=FAILED)
        self.assertFalse(report["converted"])
        self.assertEqual(self.names(), [])
        found = report["bisect"]
        self.assertGreater(found["max_abs"], 0)
        self.assertTrue(found["inputs"])
        for key in ["node", "op", "kernel", "value", "between"]:
            self.assertTrue(found[key], key)
        text = self.ergo("convert", MODEL, "-o", self.folder / "o", *options, "--bisect",
                         code=FAILED).stdout
        for word in ["nothing was written", "first difference", found["node"], found["kernel"]]:
            self.assertIn(word, text)
        self.assertNotIn("bisect", self.convert(MODEL, *options, code=FAILED))

    def test_no_folder_of_that_name(self):
        self.refused("convert", MODEL, "-o", self.folder / "o", "--verify", self.folder / "no",
                     saying="no")
        self.assertEqual(self.names(), [])


class ReportTest(CommandTest):
    def page(self, model, *options):
        path = self.folder / "report.html"
        self.ergo("convert", model, "-o", self.folder / "out.ergo", "--report", path, *options)
        page = Page(path.read_text(encoding="utf-8"))
        self.assertEqual(page.loads, [])
        return page, json.loads(page.texts["data"])

    def test_the_page_says_what_there_is(self):
        _, data = self.page(MODEL, "--verify", DIGITS)
        nodes = self.json("inspect", self.folder / "out.ergo")["nodes"]
        self.assertEqual(len(data["nodes"]), nodes)
        self.assertEqual(data["bytes_after"], (self.folder / "out.ergo").stat().st_size)
        self.assertTrue(data["check"]["matches"])
        self.assertGreater(data["us"], 0)
        timed = [node for node in data["nodes"] if node["us"] > 0]
        self.assertGreater(len(timed), nodes / 2)
        for node in timed:
            self.assertTrue(node["kernels"])
            self.assertTrue(node["samples"])
        self.assertTrue(any(node["error"] for node in data["nodes"]))
        self.assertIn(data["energy"]["source"], ["measured", "modelled", "unavailable"])
        self.assertGreater(sum(entry["changes"] for entry in data["passes"]), 0)
        self.assertTrue(all(entry["description"] for entry in data["passes"]))
        boxes = data["picture"]["boxes"]
        self.assertEqual(len(boxes), nodes + 2)
        for edge in data["picture"]["edges"]:
            self.assertLess(boxes[edge["from"]]["y"], boxes[edge["to"]]["y"])

    def test_names_are_text(self):
        plain, _ = self.page(MODEL)
        evil = "</script><img src=x onerror=alert(1)><!--"
        model = self.write(
            "evil.onnx",
            onnx.model(
                [onnx.node("Relu", [evil], ["r" + evil], name=evil),
                 onnx.node("Exp", ["r" + evil], ["y"], name="second")],
                [onnx.port(evil, "float32", [2, 3])],
                [onnx.port("y", "float32", [2, 3])],
            ),
        )
        page, data = self.page(model)
        self.assertEqual(page.elements, plain.elements)
        self.assertEqual(data["nodes"][0]["name"], evil)
        self.assertEqual(data["picture"]["boxes"][0]["text"], evil)

    def test_a_page_that_cannot_be_written(self):
        self.ergo("convert", MODEL, "-o", self.folder / "o", "--report",
                  self.folder / "no" / "r.html", code=USAGE)


if __name__ == "__main__":
    unittest.main()
