#!/bin/sh
# Writes the manual pages (man/), docs/configuration.md and the completion scripts (packaging/completions/) from the tables in the program.
#   tools/manual.sh BINARY [FOLDER]     FOLDER: the checkout (default) or where to put both folders
set -eu
binary=$1 root=${2:-$(dirname "$0")/..}
mkdir -p "$root/man" "$root/packaging/completions" "$root/docs"
for noun in serve stream fold upcast projection topic produce consume group status verify bench version completion help; do
    "$binary" manual "$noun" >"$root/man/leat-$noun.1"
done
"$binary" manual leat >"$root/man/leat.1"
"$binary" manual conf >"$root/man/leat.conf.5"
for shell in bash zsh fish; do
    "$binary" completion "$shell" >"$root/packaging/completions/leat.$shell"
done
"$binary" manual options >"$root/docs/configuration.md"
