#!/bin/sh
# Puts the release binary, libleat and what belongs to them into place, or takes it away again. Called by `make install`.
#   tools/install.sh install|uninstall BINARY DESTDIR PREFIX
# Data, configuration and the running service are never touched.
set -eu
cd "$(dirname "$0")/.."
action=$1 binary=$2 root=${3%/} prefix=${4%/}
case $prefix in
/*) ;;
*)
    echo "install: PREFIX must be an absolute path, not '$prefix'" >&2
    exit 1
    ;;
esac
# systemd reads units of packages (PREFIX=/usr) and of administrators (else) from different folders.
units=$prefix/lib/systemd/system
[ "$prefix" = /usr/local ] && units=/etc/systemd/system

# Every line: mode, source, target. Mode "link": source is what the symbolic link says.
list() {
    echo "0755 $binary $prefix/bin/leat"
    for page in man/*.[1-8] man/man[1-8]/*.[1-8]; do
        [ -f "$page" ] && echo "0644 $page $prefix/share/man/man${page##*.}/${page##*/}"
    done
    echo "0644 packaging/systemd/leat.service $units/leat.service"
    for file in packaging/completions/*; do
        [ -f "$file" ] || continue
        case ${file##*/} in
        *.bash) echo "0644 $file $prefix/share/bash-completion/completions/leat" ;;
        *.zsh) echo "0644 $file $prefix/share/zsh/site-functions/_leat" ;;
        *.fish) echo "0644 $file $prefix/share/fish/vendor_completions.d/leat.fish" ;;
        esac
    done
    built=${binary%/*}
    echo "0644 include/leat.h $prefix/include/leat.h"
    echo "0644 $built/libleat.a $prefix/lib/libleat.a"
    echo "0755 $built/libleat.so.0 $prefix/lib/libleat.so.0"
    echo "link libleat.so.0 $prefix/lib/libleat.so"
    echo "0644 lib/libleat.pc $prefix/lib/pkgconfig/libleat.pc"
}

list | while read -r mode source target; do
    case $action in
    install)
        mkdir -p "$root${target%/*}" || exit 1
        case $mode:$source in
        link:*) ln -sfn "$source" "$root$target" ;;
        *.service | *.pc)
            sed "s|^ExecStart=/usr/local/bin/leat|ExecStart=$prefix/bin/leat|; s|^prefix=.*|prefix=$prefix|" \
                "$source" >"$root$target.new"
            chmod "$mode" "$root$target.new"
            mv "$root$target.new" "$root$target"
            ;;
        # `install` replaces the file and never writes into it: a running leat keeps its binary.
        *) install -m "$mode" "$source" "$root$target" ;;
        esac
        echo "  INSTALL $root$target"
        ;;
    uninstall)
        if [ -e "$root$target" ] || [ -L "$root$target" ]; then
            rm -f "$root$target"
            echo "  REMOVE $root$target"
        fi
        ;;
    esac
done
