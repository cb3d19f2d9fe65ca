"""Every operator of ai.onnx from opset 7 on, as the onnx package knows them, against the schemas of
Ergo: it is there in each version, takes as many operands, and can run; or it is listed below with
the reason why not.
"""

import json
import os
import subprocess
import unittest

import onnx.defs

FIRST_OPSET = 7

SEQUENCES = "sequences of tensors are out of scope"
OPTIONALS = "optional values are out of scope"
STRINGS = "strings are out of scope"
OUT_OF_SCOPE = {
    "ConcatFromSequence": SEQUENCES,
    "SequenceAt": SEQUENCES,
    "SequenceConstruct": SEQUENCES,
    "SequenceEmpty": SEQUENCES,
    "SequenceErase": SEQUENCES,
    "SequenceInsert": SEQUENCES,
    "SequenceLength": SEQUENCES,
    "SequenceMap": SEQUENCES,
    "SplitToSequence": SEQUENCES,
    "Optional": OPTIONALS,
    "OptionalGetElement": OPTIONALS,
    "OptionalHasElement": OPTIONALS,
    "RegexFullMatch": STRINGS,
    "StringConcat": STRINGS,
    "StringNormalizer": STRINGS,
    "StringSplit": STRINGS,
    "ImageDecoder": "decoding image files is not arithmetic on tensors",
}
# What importing a model makes a constant of it, so that no schema is needed.
IMPORTED = {"Constant"}


def standard():
    """(operator, the version of it) for all that a model of opset 7 or later may mean."""
    versions = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, []).append(schema)
    for name, schemas in sorted(versions.items()):
        schemas.sort(key=lambda schema: schema.since_version)
        for schema, newer in zip(schemas, [*schemas[1:], None]):
            ended = newer is not None and newer.since_version <= FIRST_OPSET
            removed = schema.deprecated and not name.startswith("GroupNorm")
            if not ended and not removed:
                yield name, schema


def at_most(ours, theirs):
    return ours == -1 or theirs <= ours


class OperatorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [os.environ["ERGO_BINARY"], "inspect", "--operators", "--json"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        cls.operators = {}
        for row in json.loads(listed)["operators"]:
            if row["domain"] == "":
                cls.operators.setdefault(row["op"], []).append(row)

    def find(self, name, version):
        rows = [row for row in self.operators.get(name, []) if row["since"] <= version]
        return max(rows, key=lambda row: row["since"], default=None)

    def test_every_version_is_known_and_runs(self):
        for name, schema in standard():
            if name in OUT_OF_SCOPE or name in IMPORTED:
                continue
            version = max(schema.since_version, FIRST_OPSET)
            with self.subTest(f"{name} of opset {version}"):
                row = self.find(name, version)
                self.assertIsNotNone(row, "no schema")
                self.assertTrue(row["runs"], "no kernel")
                inputs, outputs = row["inputs"], row["outputs"]
                most = 2**31 - 1  # what onnx says of variadic operands
                for (low, high), least, largest in [
                    (inputs, schema.min_input, schema.max_input),
                    (outputs, schema.min_output, schema.max_output),
                ]:
                    self.assertLessEqual(low, least)
                    self.assertTrue(at_most(high, largest), f"at most {high}, not {largest}")
                    if largest < most:
                        self.assertNotEqual(high, -1, "takes more operands than the standard")
                        self.assertEqual(high, largest)

    def test_nothing_is_out_of_scope_that_runs(self):
        names = {name for name, _ in standard()}
        for name, reason in OUT_OF_SCOPE.items():
            self.assertTrue(reason)
            self.assertIn(name, names, "the standard does not have it")
            self.assertNotIn(name, self.operators)


if __name__ == "__main__":
    unittest.main()
