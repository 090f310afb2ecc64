#!/bin/sh
# The entry point of the image with a shell, by the name that other images' scripts call: directives, a
# file, or a server's name go to russet, everything else is a command of its own.
case ${1:-} in
'' | -* | *.conf | redis-server | valkey-server | redis-sentinel | valkey-sentinel | russet-sentinel)
    exec /usr/local/bin/russet-container "$@"
    ;;
*)
    exec "$@"
    ;;
esac
