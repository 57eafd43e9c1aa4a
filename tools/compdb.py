#!/usr/bin/env python3
"""Prints compile_commands.json for editors and clang-tidy.   tools/compdb.py build/debug 'gcc -Isrc ...'"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import house  # noqa: E402

out, command = sys.argv[1], sys.argv[2]
entries = [{"directory": os.getcwd(), "file": name,
            "command": f"{command} -Itest -Itest/unit -Ibench -c -o {out}/obj/{name[:-2]}.o {name}"}
           for name in house.files(".", ".c")]
json.dump(entries, sys.stdout, indent=1)
print()
