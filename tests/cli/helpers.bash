# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Shared by the tests of kubearmor-hookctl: a real listener in a directory of its own, fed by the real
# hook with real processes in namespaces of their own, as a runtime would call it.

bats_require_minimum_version 1.5.0

repo=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
build=${KH_BUILD:-$repo/build}
if [ -d "$build/main" ]; then
        build=$build/main
fi
hook=$build/src/hook/kubearmor-hook
hookd=$build/src/hookd/kubearmor-hookd
hookctl=$build/src/hookctl/kubearmor-hookctl

# Finds a hang; a loaded machine stays far below it.
hang_s=30

# until_true WHAT COMMAND...: until it succeeds.
until_true() {
        local what=$1 deadline=$((SECONDS + hang_s))
        shift
        until "$@"; do
                if ((SECONDS > deadline)); then
                        echo "did not happen within $hang_s s: $what" >&2
                        return 1
                fi
                read -rt 0.01 <> <(:) || true
        done
}

common_setup() {
        export LC_ALL=C.UTF-8 TERM=xterm
        unset COLUMNS NO_COLOR
        dir=$(mktemp -d "${BATS_TMPDIR:-/tmp}/kh-cli-XXXXXX")
        events=$dir/events/events.sock
        mkdir "$dir/events"
        pids=()
}

common_teardown() {
        local pid

        for pid in "${pids[@]}"; do
                kill -KILL "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
        done
        rm -rf "$dir"
}

start_hookd() {
        "$hookd" --socket "$dir/ka.sock" --events "$events" --spool "$dir/spool" --state "$dir/state" \
                --no-discovery \
                >>"$dir/hookd.log" 2>&1 3>&- &
        hookd_pid=$!
        pids+=("$hookd_pid")
        until_true "the listener answers or ends" answers_or_ended
        ctl status >/dev/null || {
                cat "$dir/hookd.log" >&2
                return 1
        }
}

answers_or_ended() {
        ctl status >/dev/null 2>&1 || ! kill -0 "$hookd_pid" 2>/dev/null
}

stop_hookd() {
        kill -TERM "$hookd_pid"
        wait "$hookd_pid"
}

ctl() {
        local command=$1
        shift
        "$hookctl" "$command" --events "$events" "$@"
}

# call_hook STAGE ID PID BUNDLE: the hook, as a runtime calls it.
call_hook() {
        jq -n --arg id "$2" --argjson pid "$3" --arg bundle "$4" --arg stage "$1" \
                '{ociVersion: "1.0.2", id: $id, bundle: $bundle,
                  status: (if $stage == "poststop" then "stopped" else "creating" end)}
                 + if $pid > 0 then {pid: $pid} else {} end' |
                "$hook" --stage "$1" --socket "$dir/ka.sock" --spool "$dir/spool" --log "$dir/hook.log"
}

# Inits by id.
declare -gA inits

# create ID [ANNOTATIONS]: a process as its init, and the hook called for it. Sets init.
create() {
        local id=$1 annotations=${2:-{\}} bundle=$dir/bundle-$1 outer

        mkdir -p "$bundle/rootfs"
        jq -n --argjson annotations "$annotations" \
                '{ociVersion: "1.0.2", process: {args: ["sleep", "infinity"], cwd: "/",
                  user: {uid: 0, gid: 0}, apparmorProfile: "a-profile"}, root: {path: "rootfs"},
                  linux: {namespaces: [{type: "pid"}, {type: "mount"}]}, annotations: $annotations}' \
                >"$bundle/config.json"
        unshare --mount --pid --fork --kill-child sleep infinity 2>>"$dir/unshare.log" 3>&- &
        outer=$!
        pids+=("$outer")
        until_true "init of $id" has_child "$outer"
        init=$(child_of "$outer")
        inits[$id]=$init
        call_hook createRuntime "$id" "$init" "$bundle"
}

child_of() {
        tr -d ' ' <"/proc/$1/task/$1/children"
}

has_child() {
        [ "$(cat "/proc/$(child_of "$1")/comm" 2>/dev/null)" = sleep ]
}

# end ID: as a runtime would when its init has died.
end() {
        kill -KILL "${inits[$1]}"
        call_hook poststop "$1" 0 "$dir/bundle-$1"
}

# What CRI-O writes; NAME, POD, NAMESPACE.
crio() {
        jq -nc --arg name "$1" --arg pod "$2" --arg namespace "$3" \
                '{"io.container.manager": "cri-o", "io.kubernetes.cri-o.ContainerType": "container",
                  "io.kubernetes.container.name": $name, "io.kubernetes.pod.name": $pod,
                  "io.kubernetes.pod.namespace": $namespace,
                  "io.kubernetes.cri-o.ImageName": "registry.example:5000/a/long/path/web:1.2.3",
                  "io.kubernetes.cri-o.Labels": ({app: $name, tier: "front"} | tojson)}'
}

# A listener that does what a real one does not: tests/cli/odd-listener says what.
start_odd_listener() {
        /usr/bin/python3 "$BATS_TEST_DIRNAME/odd-listener" "$events" "$@" 3>&- &
        pids+=("$!")
        until_true "the odd listener listens" test -S "$events"
}

# Follows in the background into a file. Sets follower.
start_watch() {
        local out=$1
        shift
        "$hookctl" "$@" --events "$events" >"$out" 2>"$out.err" 3>&- &
        follower=$!
        pids+=("$follower")
}

# has_line FILE PATTERN
has_line() {
        grep -q -- "$2" "$1"
}
