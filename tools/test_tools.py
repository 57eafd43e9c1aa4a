#!/usr/bin/env python3
"""Tests of the checks of `make lint`: each one is shown a tree with a planted violation and must find it."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = "core:\nenv: core\nstore: core env\ncli: core\nos: env cli\nadapters: cli/foreign\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.temp.name)
        self.write("src/LAYERS", LAYERS)
        for room in ("core", "env", "store", "cli"):
            self.write(f"src/{room}/README.md", f"# {room}\n")
        self.c("src/core/a.h", "int a_get(void);\n")
        self.c("src/store/s.h", "int s_get(void);\n")

    def tearDown(self):
        self.temp.cleanup()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def c(self, name, body):
        self.write(name, "/* A file of a test. */\n" + body)

    def run_tool(self, tool, *args, cwd=ROOT, **extra):
        done = subprocess.run([str(ROOT / "tools" / tool), *args], capture_output=True, text=True, cwd=cwd,
                              env=dict(os.environ, **extra), check=False)
        self.text = done.stdout + done.stderr
        return done.returncode

    def clean(self, tool):
        self.assertEqual(self.run_tool(tool, str(self.root)), 0, self.text)

    def finds(self, tool, *words):
        self.assertEqual(self.run_tool(tool, str(self.root)), 1, self.text)
        for word in words:
            self.assertIn(word, self.text)


class CheckLayers(Tree):
    def test_a_clean_tree_passes(self):
        self.c("src/store/x.c", '#include <stdio.h>\n#include "core/a.h"\n#include "store/s.h"\n'
                                "/* open( and malloc( in a comment, */ const char *x = \"read(1)\";\n"
                                "int x_close(int a) { return s->read(a) + t.open(a); }\n")
        self.c("src/env/x.c", "#include <unistd.h>\nint f(void) { return fsync(1); }\n")
        self.c("src/cli/foreign.c", "#include <poll.h>\n")
        self.clean("check_layers")

    def test_includes(self):
        for body, word in (('#include "store/s.h"\n', "core may not include store"),
                           ('#include "../store/s.h"\n', "relative path"),
                           ('#include "nowhere/s.h"\n', "no room"),
                           ("#include <unistd.h>\n", "operating system"),
                           ("#include <pthread.h>\n", "operating system"),
                           ("#include <sys/socket.h>\n", "operating system"),
                           ("#include <zlib.h>\n", "belongs to record")):
            with self.subTest(body):
                self.c("src/core/x.c", body)
                self.finds("check_layers", "src/core/x.c:2", word)

    def test_calls(self):
        for call in ("open(p, 1)", "time(NULL)", "pthread_mutex_lock(m)", "getenv(n)", "malloc(1)", "free(p)",
                     "strdup(s)", "exit(1)", "printf(s)", "fprintf(stderr, s)", "rand()", "sem_post(s)"):
            with self.subTest(call):
                self.c("src/core/x.c", f"int f(void)\n{{\n    return {call};\n}}\n")
                self.finds("check_layers", "src/core/x.c:4")

    def test_heap_is_for_core_mem_only(self):
        self.c("src/core/x.cpp", "void f(void *p)\n{\n    free(p);\n}\n")  # C++ that hides a library is held to it too
        self.finds("check_layers", "src/core/x.cpp:4")
        self.c("src/core/x.cpp", "")
        self.c("src/env/x.c", "void f(void *p)\n{\n    free(p);\n}\n")
        self.finds("check_layers", "src/env/x.c:4")
        self.c("src/env/x.c", "")
        self.c("src/core/mem.c", "void f(void *p)\n{\n    free(p);\n}\n")
        self.clean("check_layers")

    def test_unknown_room_and_wrong_order(self):
        self.c("src/attic/x.c", "")
        self.finds("check_layers", "'attic' is not in src/LAYERS")
        self.write("src/LAYERS", LAYERS.replace("core:\n", "core: store\n") + "attic:\n")
        self.finds("check_layers", "does not stand above")

    def test_libleat_uses_nothing_of_the_rooms(self):
        self.c("lib/x.c", '#include <curl/curl.h>\n#include <string.h>\n#include "lib.h"\n'
                          "int f(struct a *a) { return lib_realloc(a->b->realloc(1)); }\n")
        self.c("lib/leat.c", "void *f(void *p) { return realloc(p, 1); }\n")
        self.c("lib/category.c", "#include <time.h>\nint f(void) { return clock_gettime(0, 0); }\n")
        self.clean("check_layers")
        for body, word in (('#include "core/str.h"\n', "uses nothing of src/"), ("#include <jansson.h>\n", "is not of libleat"),
                           ("#include <unistd.h>\n", "is not of libleat"), ("void *f(void) { return malloc(1); }\n", "use lib_realloc"),
                           ("int f(void) { return getenv(0); }\n", "leaves that to its application"),
                           ("int f(void) { g(stderr); return 0; }\n", "says nothing by itself")):
            with self.subTest(body):
                self.c("lib/x.c", body)
                self.finds("check_layers", "lib/x.c:2", word)

    def test_exceptions_need_a_reason_and_a_use(self):
        self.c("src/core/x.c", "/* lint: allow os: only in a test */\n#include <unistd.h>\n")
        self.clean("check_layers")
        self.c("src/core/x.c", "/* lint: allow os */\n#include <unistd.h>\n")
        self.finds("check_layers", "gives no reason")
        self.c("src/core/x.c", "/* lint: allow os: was needed once */\nint x;\n")
        self.finds("check_layers", "nothing needs this exception")


class Tidy(Tree):
    def test_a_clean_tree_passes(self):
        self.c("src/core/x.c", "int f(void)\n{\n    return snprintf_like(1); /* not sprintf(x) */\n}\n")
        self.clean("tidy")

    def test_c_rules(self):
        long = "int f(void)\n{\n" + "    g();\n" * 101 + "}\n"
        for body, word in (("int x;\n" * 1000, "file-length"), (long, "function-length"),
                           ("/* " + "x" * 100 + " */\n", "line-length"), ("\tint x;\n", "a tab"),
                           ("/* TO" + "DO: later */\n", "todo"), ("int x; ", "no newline"),
                           ("int x;\r\n", "carriage")):
            with self.subTest(word):
                self.c("src/core/x.c", body)
                self.finds("tidy", "src/core/x.c", word)

    def test_limits_are_inclusive(self):
        self.c("src/core/x.c", "int f(void)\n{\n" + "    g();\n" * 100 + "}\n" + "int x;\n" * 895)
        self.clean("tidy")

    def test_opening_comment(self):
        self.write("src/core/x.c", "int x;\n")
        self.finds("tidy", "[opening]")

    def test_banned_calls(self):
        for call in ("sprintf", "strcpy", "strcat", "strtok", "sscanf", "atoi", "localtime", "gets", "strtol"):
            with self.subTest(call):
                self.c("src/core/x.c", f"int f(void)\n{{\n    return {call}(1);\n}}\n")
                self.finds("tidy", "[banned]", call)

    def test_a_room_without_readme(self):
        (self.root / "src/store/README.md").unlink()
        self.finds("tidy", "src/store", "[readme]")

    def test_hosts_and_machine_paths_in_any_file(self):
        self.write("docs/x.md", "see https://registry." + "npmjs.org/x\n")
        self.finds("tidy", "docs/x.md:1", "[registry]")
        self.write("docs/x.md", "see /ho" + "me/someone/src\n")
        self.finds("tidy", "docs/x.md:1", "[machine-path]")
        self.write("docs/x.md", "see /ho" + "me/someone/src <!-- lint: al" "low machine-path: an example -->\n")
        self.clean("tidy")


class Others(Tree):
    def test_format_finds_a_wrong_layout(self):
        shutil.copy(ROOT / ".clang-format", self.root)
        self.c("src/core/x.c", "int x;\n")
        self.assertEqual(self.run_tool("format.sh", LEAT_ROOT=str(self.root)), 0, self.text)
        self.c("src/core/x.c", "int   x ;\n")
        self.assertNotEqual(self.run_tool("format.sh", LEAT_ROOT=str(self.root)), 0)
        self.assertEqual(self.run_tool("format.sh", "--write", LEAT_ROOT=str(self.root)), 0)
        self.assertIn("\nint x;\n", (self.root / "src/core/x.c").read_text())

    def compile(self, body):
        self.c("src/core/x.c", body)
        objects = self.root / "b/obj/src/core"
        objects.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-fPIE", "-c", "-o", str(objects / "x.o"), "src/core/x.c"], cwd=self.root, check=True)

    def test_globals(self):
        allow = str(self.root / "allow")
        self.compile("extern int y;\nstatic const int t[] = {1, 2};\nconst int *const p = t;\n"
                     "const char *const names[] = {\"a\", \"b\"};\nint f(int i) { return t[i] + y + *p; }\n")
        self.assertEqual(self.run_tool("check_globals", "b", allow, cwd=self.root), 0, self.text)
        for body in ("int counter;\n", "static int hits = 3;\nint *f(void) { return &hits; }\n",
                     "int f(void) { static int calls; return ++calls; }\n",
                     "_Thread_local int last;\n", "const char *name = \"a\";\n"):
            with self.subTest(body):
                self.compile(body)
                self.assertEqual(self.run_tool("check_globals", "b", allow, cwd=self.root), 1)
                self.assertIn("src/core/x.c: mutable", self.text)
        self.compile("int counter;\n")
        self.write("allow", "src/core/x.c counter: a test\n")
        self.assertEqual(self.run_tool("check_globals", "b", allow, cwd=self.root), 0, self.text)
        self.compile("int f(void);\n")
        self.assertEqual(self.run_tool("check_globals", "b", allow, cwd=self.root), 1)
        self.assertIn("any more", self.text)

    def test_a_name_that_two_rooms_define_is_found(self):
        allow = str(self.root / "allow")
        (self.root / "src/env").mkdir(exist_ok=True)
        for source, body in (("src/core/x.c", "int f(void) { return 1; }\n"), ("src/env/y.c", "int f(int i) { return i; }\n")):
            (self.root / source).write_text(body)
            target = self.root / "b/obj" / source.replace(".c", ".o")
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["gcc", "-c", "-o", str(target), str(self.root / source)], check=True)
        self.assertEqual(self.run_tool("check_globals", "b", allow, cwd=self.root), 1)
        self.assertIn("src/env/y.c: f is defined in src/core/x.c too", self.text)

    def test_warnings_of_an_earlier_build_are_found(self):
        self.write("b/obj/src/core/x.warn", "x.c:1: warning: planted\n")
        self.c("src/core/x.c", "")
        self.assertEqual(self.run_tool("check_warnings", "b", cwd=self.root), 1)
        self.write("b/obj/src/core/x.warn", "")
        self.assertEqual(self.run_tool("check_warnings", "b", cwd=self.root), 0)

    def test_stale_generated_files_are_found(self):
        self.write("tools/gen_x", "#!/bin/sh\necho '/* fresh */' > src/core/gen.h\n")
        (self.root / "tools/gen_x").chmod(0o755)
        shutil.copy(ROOT / "tools/gen_all.sh", self.root / "tools")
        self.write("src/core/gen.h", "/* stale */\n")
        self.assertEqual(self.run_tool("gen_all.sh", "--check", LEAT_ROOT=str(self.root)), 1, self.text)
        self.assertIn("stale", self.text)
        self.assertEqual(self.run_tool("gen_all.sh", LEAT_ROOT=str(self.root)), 0, self.text)
        self.assertEqual(self.run_tool("gen_all.sh", "--check", LEAT_ROOT=str(self.root)), 0, self.text)

    def test_a_unit_test_that_calls_upwards_does_not_link(self):
        for name in ("Makefile", "test/unit/main.c", "test/unit/test.h", "test/unit/oom.c"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        for name in ("err.h", "compiler.h", "mem.h"):
            shutil.copy(ROOT / "src/core" / name, self.root / "src/core")
        self.c("src/core/mem.c", '#include "core/mem.h"\nvoid mem_set_fail_hook(mem_fail_fn f, void *c) '
                                 "{ (void)f; (void)c; }\nconst char *err_name(enum err e);\n"
                                 "const char *err_name(enum err e) { (void)e; return \"\"; }\n"
                                 .replace('mem.h"\n', 'mem.h"\n#include "core/err.h"\n'))
        self.c("src/env/e.c", "int env_get(void);\nint env_get(void) { return 1; }\n")
        self.c("src/store/s.c", "int s_get(void);\nint s_get(void) { return 1; }\n")
        body = '#include "unit/test.h"\nint {0}(void);\nTEST(x) {{ assert_int_equal({0}(), 1); }}\n'
        self.c("test/unit/store/x.c", body.format("env_get"))
        make = ["make", "-s", "QUIET=1", "BUILD=b", "units"]
        environ = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        done = subprocess.run(make, cwd=self.root, capture_output=True, text=True, check=False, env=environ)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.c("test/unit/env/x.c", body.format("s_get"))
        done = subprocess.run(make, cwd=self.root, capture_output=True, text=True, check=False, env=environ)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("undefined reference to `s_get'", done.stderr)


    def test_a_changed_header_rebuilds_however_the_build_folder_is_named(self):
        shutil.copy(ROOT / "Makefile", self.root / "Makefile")
        self.write("src/core/a.c", "/* A file of a test. */\n#include \"core/a.h\"\nint a_get(void) { return NUMBER; }\n")
        self.c("src/core/a.h", "#define NUMBER 1\nint a_get(void);\n")
        environ = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR")}
        root, object_file = os.path.realpath(self.root), self.root / "b/debug/obj/src/core/a.o"

        def build(folder):
            done = subprocess.run(["make", "-s", f"BUILD={folder}", "objects"], cwd=root, capture_output=True, text=True,
                                  check=False, env=environ)
            self.assertEqual(done.returncode, 0, done.stderr)
            return object_file.stat().st_mtime_ns

        first = build("b")
        self.assertEqual(build(f"{root}/b"), first)
        self.c("src/core/a.h", "#define NUMBER 2\nint a_get(void);\n")
        self.assertGreater(build(f"{root}/b"), first)


class Deps(Tree):
    """tools/deps.sh on a machine that is made of a few commands only, so that every answer can be planned."""

    TOOLS = "sh bash sed grep tr sort head tail mktemp rm env dirname cat cmp cp mkdir ls printf".split()

    def machine(self, **scripts):
        self.bin = self.root / "bin"
        shutil.rmtree(self.bin, ignore_errors=True)
        self.bin.mkdir()
        for tool in self.TOOLS:
            if shutil.which(tool):
                (self.bin / tool).symlink_to(shutil.which(tool))
        for name, body in scripts.items():
            path = self.bin / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\necho \"{name} $*\" >> {self.root}/calls\n{body}\n")
            path.chmod(0o755)
        (self.root / "calls").write_text("")

    def deps(self, *groups):
        status = self.run_tool("deps.sh", *groups, PATH=str(self.bin), LEAT_DEPS_DIR=str(self.root / "deps"),
                               LEAT_ROOT=str(self.root), LEAT_DEPS="")
        self.calls = (self.root / "calls").read_text()
        return status

    def lines(self):
        return [line for line in self.text.splitlines() if not line.startswith("deps: installing")]

    def test_nothing_is_called_when_nothing_is_missing(self):
        self.machine(dpkg_query="echo installed", apt_get="exit 1", id="echo 1000")
        self.assertEqual(self.deps("build"), 0, self.text)
        self.assertNotIn("apt_get", self.calls)
        self.assertEqual(self.text, "")

    def test_only_what_is_missing_is_installed(self):
        self.machine(dpkg_query='case $* in *zlib1g-dev*) exit 1 ;; esac; echo installed', apt_get="exit 0",
                     id="echo 0")
        self.assertEqual(self.deps("build"), 0, self.text)
        self.assertIn("install -y --no-install-recommends zlib1g-dev\n", self.calls)

    def test_no_network_is_one_clear_line(self):
        self.machine(dpkg_query="exit 1", id="echo 0", apt_get='echo "E: Temporary failure resolving x"; exit 100')
        self.assertEqual(self.deps("build"), 1)
        self.assertEqual(len(self.lines()), 1, self.text)
        self.assertIn("no network", self.text)

    def test_no_root_is_one_clear_line(self):
        self.machine(dpkg_query="exit 1", id="echo 1000", apt_get="exit 0")
        self.assertEqual(self.deps("build"), 1)
        self.assertEqual(len(self.lines()), 1, self.text)
        self.assertIn("not root, and there is no sudo. As root: apt-get install -y", self.text)
        self.assertNotIn("apt_get", self.calls)

    def test_another_distribution_is_one_clear_line(self):
        self.machine(id="echo 0")
        self.assertEqual(self.deps("build"), 1)
        self.assertEqual(len(self.lines()), 1, self.text)
        self.assertIn("no apt-get", self.text)

    def test_tools_from_elsewhere_are_accepted_if_new_enough(self):
        self.machine(dpkg_query='case $* in *nodejs*|*npm*|*openjdk*) exit 1 ;; esac; echo installed',
                     apt_get="exit 0", id="echo 0", node="echo v22.1.0", npm="echo 10", java="echo 21",
                     javac="echo javac 21.0.1", python3="exit 0", kcat="exit 0", mvn="exit 0")
        self.deps("run")
        self.assertNotIn("apt_get", self.calls)
        self.machine(dpkg_query='case $* in *nodejs*) exit 1 ;; esac; echo installed', apt_get="exit 0",
                     id="echo 0", node="echo v16.1.0", npm="exit 0", python3="exit 0")
        self.deps("run")
        self.assertIn("install -y --no-install-recommends nodejs", self.calls)

    def test_an_unknown_group_is_refused(self):
        self.assertEqual(self.run_tool("deps.sh", "nonsense"), 1)
        self.assertIn("no group 'nonsense'", self.text)
        self.assertEqual(self.run_tool("deps.sh"), 1)


if __name__ == "__main__":
    unittest.main()
