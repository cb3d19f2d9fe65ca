#!/usr/bin/env python3
"""The checks themselves: each must find what it is for, and nothing else."""

import unittest

import checks
import cpp_source
import rules
import tidy


def rules_of(findings):
    return [finding.rule for finding in findings]


def header(path, body=""):
    guard = "ERGO_" + path.upper().replace("/", "_").replace(".", "_") + "_"
    return f"// What it is.\n#ifndef {guard}\n#define {guard}\n{body}\n#endif  // {guard}\n"


class Registry(unittest.TestCase):
    def test_every_family_is_listed(self):
        declares = "std::span<const KernelVariant<PadProblem>> PadVariants();"
        tree = {
            "kernels/move/pad.h": f"// A pad.\n{declares}\n",
            "kernels/registry.cc": "Add(all, move::PadVariants());",
        }
        self.assertEqual(list(checks.check_registry(tree)), [])
        tree["kernels/registry.cc"] = "Add(all, move::NoPadVariants());"
        (finding,) = checks.check_registry(tree)
        self.assertEqual((finding.rule, finding.line), ("registry", 2))


class Arrows(unittest.TestCase):
    def findings(self, path, include):
        tree = {path: f'#include "{include}"\n', include: ""}
        return [f for f in checks.check_includes(tree) if f.path == path]

    def test_to_the_left_is_fine(self):
        for path, include in [
            ("tools/ergo/main.cc", "server/server.h"),
            ("server/server.cc", "kernels/base/status.h"),
            ("engine/passes/fold.cc", "engine/plan/plan.h"),
            ("engine/run/session.cc", "engine/plan/plan.h"),
            ("engine/energy/meter.cc", "kernels/base/status.h"),
            ("kernels/gemm/gemm.cc", "kernels/base/status.h"),
            ("tests/server/a_test.cc", "tools/ergo/report.h"),
            ("bench/micro/gemm.cc", "tests/server/hex.h"),
        ]:
            self.assertEqual(self.findings(path, include), [], (path, include))

    def test_to_the_right_is_not(self):
        for path, include in [
            ("kernels/gemm/gemm.cc", "engine/graph/graph.h"),
            ("engine/run/session.cc", "formats/file.h"),
            ("server/server.cc", "tools/ergo/report.h"),
            ("tools/ergo/main.cc", "tests/server/hex.h"),
            ("tools/ergo/main.cc", "bench/micro/bench.h"),
            ("engine/graph/graph.cc", "engine/plan/plan.h"),
            ("engine/plan/plan.cc", "engine/passes/passes.h"),
            ("engine/run/session.cc", "engine/passes/passes.h"),
            ("engine/run/session.cc", "engine/energy/meter.h"),
            ("engine/energy/meter.cc", "engine/graph/graph.h"),
            ("engine/energy/meter.cc", "kernels/gemm/gemm.h"),
            ("kernels/base/status.cc", "kernels/gemm/gemm.h"),
            ("engine/novel/novel.cc", "engine/graph/graph.h"),
        ]:
            self.assertEqual(set(rules_of(self.findings(path, include))), {"arrows"}, path)

    def test_includes_are_paths_from_the_root(self):
        tree = {"kernels/base/a.cc": '#include "status.h"\n#include <vector>\n', "status.h": ""}
        del tree["status.h"]
        self.assertEqual(rules_of(checks.check_includes(tree)), ["include"])
        generated = {"formats/onnx/a.cc": '#include "formats/onnx/onnx.pb.h"\n'}
        self.assertEqual(rules_of(checks.check_includes(generated)), [])
        commented = {"kernels/base/a.cc": '// #include "status.h"\n'}
        self.assertEqual(rules_of(checks.check_includes(commented)), [])


class Cycles(unittest.TestCase):
    def test_files(self):
        tree = {
            "kernels/base/a.h": '#include "kernels/base/b.h"\n',
            "kernels/base/b.h": '#include "kernels/base/c.h"\n',
            "kernels/base/c.h": '#include "kernels/base/a.h"\n',
        }
        messages = [f.message for f in checks.check_cycles(tree)]
        self.assertEqual(len(messages), 1)
        self.assertIn(
            "a.h -> kernels/base/b.h -> kernels/base/c.h -> kernels/base/a.h", messages[0]
        )

    def test_folders(self):
        tree = {
            "kernels/gemm/a.h": '#include "kernels/conv/a.h"\n',
            "kernels/conv/a.h": "",
            "kernels/conv/b.h": '#include "kernels/gemm/b.h"\n',
            "kernels/gemm/b.h": "",
        }
        self.assertEqual(rules_of(checks.check_cycles(tree)), ["cycle"])
        del tree["kernels/conv/b.h"]
        self.assertEqual(rules_of(checks.check_cycles(tree)), [])


class Functions(unittest.TestCase):
    def sizes(self, text):
        return [(size, name) for _, size, name in cpp_source.functions(text)]

    def test_found_where_they_are(self):
        text = """namespace a {
struct S {
  S(int x) : x_(x), y_{x} {
    Use();
  }
  int Get() const { return x_; }
  int y_{1};
  int table[2] = {f(1), f(2)};
};
template <typename T>
T Max(T a,
      T b) {
  if (a < b) {
    return b;
  }
  const char* s = "}}} // {{{";  // }}}
  char c = '{';
  return a;
}
constexpr Row kRows[] = {
    {F(1), 2}, G(3), {
        4,
    },
};
enum class E { kA };
TEST(A, B) {
  for (int i = 0; i < 3; ++i) {
  }
}
bool operator==(const S& a, const S& b) {
  return true;
}
}  // namespace a
"""
        found = self.sizes(text)
        self.assertEqual([size for size, _ in found], [3, 1, 10, 4, 3])
        self.assertIn("S(int x)", found[0][1])
        self.assertEqual(cpp_source.functions(text)[2][0], 10)

    def test_strings_and_comments_do_not_count(self):
        text = 'void F() {\n  auto s = R"x(\n}\n)x";\n  /* }\n } */\n  int n = 1\'000;\n}\n'
        self.assertEqual([size for size, _ in self.sizes(text)], [8])

    def test_too_long(self):
        def function(lines):
            return {"kernels/base/a.cc": "void F() {\n" + "  G();\n" * (lines - 2) + "}\n"}

        self.assertEqual(rules_of(checks.check_lengths(function(70))), [])
        self.assertEqual(rules_of(checks.check_lengths(function(71))), ["function-length"])
        python = {"tools/a.py": "def f():\n" + "    g()\n" * 70}
        self.assertEqual(rules_of(checks.check_lengths(python)), ["function-length"])

    def test_files_and_lines(self):
        self.assertEqual(rules_of(checks.check_lengths({"a/b.cc": "\n" * 600})), [])
        self.assertEqual(rules_of(checks.check_lengths({"a/b.cc": "\n" * 601})), ["file-length"])
        wide = {"a/b.cc": "x" * 100 + "\n" + "x" * 101 + "\n"}
        self.assertEqual(rules_of(checks.check_lengths(wide)), ["line-length"])


class Banned(unittest.TestCase):
    def findings(self, path, text):
        return rules_of(checks.check_banned({path: text}))

    def test_calls(self):
        for code in [
            'getenv("HOME")',
            "std::thread worker;",
            "std::regex r;",
            'system("rm");',
            "strcpy(a, b);",
            "sprintf(a, b);",
            "atoi(a);",
            "std::stoi(a);",
            "std::cout << 1;",
            "throw Error();",
            "rand();",
            "worker.detach();",
        ]:
            self.assertEqual(self.findings("engine/plan/a.cc", code), ["banned"], code)

    def test_what_only_looks_like_it(self):
        for code in [
            "std::this_thread::yield();",
            "std::thread::hardware_concurrency();",
            "file_system(a);",
            "snprintf(a, 1, b);",
            "// throw, getenv(",
            'Log("system(");',
            "std::system_error e;",
            "operand(1);",
            "a.system(1);",
        ]:
            self.assertEqual(self.findings("engine/plan/a.cc", code), [], code)

    def test_owners_may(self):
        self.assertEqual(self.findings("tools/ergo/main.cc", 'getenv("X")'), [])
        self.assertEqual(self.findings("engine/run/thread_pool.cc", "std::thread t;"), [])
        self.assertEqual(self.findings("tests/a_test.cc", "std::thread t;"), [])

    def test_words(self):
        for word in ["TO" + "DO", "FIX" + "ME", "XX" + "X"]:
            self.assertEqual(self.findings("README.md", f"a\n{word}: later\n"), ["banned-word"])
        self.assertEqual(self.findings("README.md", "HACKING\n"), [])


class Files(unittest.TestCase):
    def test_top_level(self):
        good = [
            name if "." in name or name == "LICENSE" else name + "/x" for name in rules.TOP_LEVEL
        ]
        self.assertEqual(rules_of(checks.check_top_level(good)), [])
        self.assertEqual(rules_of(checks.check_top_level([*good, "notes.txt"])), ["top-level"])
        self.assertEqual(rules_of(checks.check_top_level(good[1:])), ["top-level"])

    def test_names(self):
        bad = [
            "a/utils.cc",
            "a/string_util.h",
            "a/misc.py",
            "a/common.h",
            "a/common2.cc",
            "a/Graph.cc",
        ]
        for path in bad:
            self.assertEqual(rules_of(checks.check_names([path])), ["file-name"], path)
        good = [
            "a/simd-inl.h",
            "a/graph_test.cc",
            "a/communicate.cc",
            "a/PROTOCOL.md",
            "a/utility.cc",
        ]
        self.assertEqual(rules_of(checks.check_names(good)), [])

    def test_headers(self):
        good = header("kernels/base/a.h")
        self.assertEqual(rules_of(checks.check_headers({"kernels/base/a.h": good})), [])
        for bad in [
            good.replace("ERGO_", "X_"),
            good.rstrip("\n") + "x\n",
            good.replace("ndef", "def"),
        ]:
            self.assertEqual(rules_of(checks.check_headers({"kernels/base/a.h": bad})), ["guard"])
        for bad, rule in [
            (good.replace("// What it is.\n", ""), "header-comment"),
            (header("kernels/base/a.h", "using namespace std;"), "banned"),
        ]:
            self.assertEqual(rules_of(checks.check_headers({"kernels/base/a.h": bad})), [rule])

    def test_whitespace(self):
        for bad in ["a", "a \n", "\ta\n"]:
            self.assertEqual(
                rules_of(checks.check_whitespace({"a/b.cc": bad})), ["whitespace"], bad
            )
        self.assertEqual(rules_of(checks.check_whitespace({"a/b.cc": "a\n"})), [])


class Documents(unittest.TestCase):
    def test_folders(self):
        tree = {"kernels/gemm/deep/a.cc": "", "ARCHITECTURE.md": "`kernels/` and `kernels/gemm/`"}
        self.assertEqual(rules_of(checks.check_documented_folders(tree)), [])
        tree["kernels/conv/a.cc"] = ""
        self.assertEqual(rules_of(checks.check_documented_folders(tree)), ["documented"])

    def test_paths(self):
        tree = {
            "kernels/gemm/a.cc": "",
            "tools/quickstart": "",
            "tools/x/README.md": "[root](../quickstart) [web](https://a.b/c) [part](#part)",
            "README.md": "`kernels/gemm/`, `./tools/quickstart --now`, `build/dev`, "
            "`kernels/*/x.h`, `tests/ROOM/FOLDER/NAME_test.cc`, "
            "[gemm](kernels/gemm/a.cc#part), `input/output`",
        }
        self.assertEqual(rules_of(checks.check_doc_paths(tree)), [])
        for bad in ["`kernels/conv/`", "`./tools/gone --now`", "[a](kernels/gemm/b.cc)"]:
            tree["README.md"] = bad
            self.assertEqual(rules_of(checks.check_doc_paths(tree)), ["doc-path"], bad)


class Exemptions(unittest.TestCase):
    def judge(self, exemptions):
        tree = {"kernels/base/a.cc": "x" * 101 + "\n", tidy.EXEMPTIONS: exemptions}
        return [f for f in tidy.judge(tree) if f.rule in ("line-length", "exemption")]

    def test_they_exempt_what_they_name_and_nothing_else(self):
        self.assertEqual(rules_of(self.judge("# nothing\n")), ["line-length"])
        self.assertEqual(self.judge("kernels/base/a.cc line-length a table\n"), [])
        stale = self.judge("kernels/base/a.cc line-length a table\nkernels/b.cc file-length old\n")
        self.assertEqual(rules_of(stale), ["exemption"])
        self.assertIn("exemption", rules_of(self.judge("kernels/base/a.cc line-length\n")))


if __name__ == "__main__":
    unittest.main()
