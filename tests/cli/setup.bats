#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets stderr
# The sub-commands of set-up that change nothing of the node; tests/runtime has the others.

# shellcheck source=tests/cli/helpers.bash
source "$BATS_TEST_DIRNAME/helpers.bash"

setup() {
        common_setup
        printf '{\n\t"ociVersion": "1.0.2",\n\t"x": "\\u003c"\n}\n' >"$dir/config.json"
        cp "$dir/config.json" "$dir/before.json"
}

teardown() {
        common_teardown
}

@test "spec: hooks are added once, and removed byte for byte" {
        run -0 --separate-stderr "$hookctl" spec add-hooks --bin-dir /opt/k --timeout 1500ms \
                "$dir/config.json"
        [ -z "$output" ]
        [ "$(jq -c '.hooks | map_values(map([.path, .timeout]))' "$dir/config.json")" = \
                '{"createRuntime":[["/opt/k/kubearmor-hook",4]],"poststop":[["/opt/k/kubearmor-hook",4]]}' ]
        cp "$dir/config.json" "$dir/added.json"
        "$hookctl" spec add-hooks --bin-dir /opt/k --timeout 1500ms "$dir/config.json"
        cmp "$dir/config.json" "$dir/added.json"
        "$hookctl" spec remove-hooks "$dir/config.json"
        cmp "$dir/config.json" "$dir/before.json"
        "$hookctl" spec remove-hooks "$dir/config.json"
        cmp "$dir/config.json" "$dir/before.json"
}

@test "spec: that the hook is not there is said, when it is added" {
        bin=$dir/bin
        mkdir "$bin"
        run -0 "$hookctl" spec add-hooks --bin-dir "$bin" "$dir/config.json"
        [[ $output == *"warning: '$bin/kubearmor-hook': No such file"*"--bin-dir" ]]
        cp /bin/true "$bin/kubearmor-hook"
        run -0 "$hookctl" spec add-hooks --bin-dir "$bin" "$dir/config.json"
        [ -z "$output" ]
        rm -r "$bin"
        run -0 "$hookctl" spec remove-hooks "$dir/config.json"
        [ -z "$output" ]
}

@test "spec --dry-run: a diff that patch takes, and nothing changed" {
        "$hookctl" spec --dry-run add-hooks "$dir/config.json" >"$dir/diff"
        cmp "$dir/config.json" "$dir/before.json"
        grep -q '^+	"hooks": ' "$dir/diff"
        [ "$(grep -c '^@@' "$dir/diff")" -eq 1 ]
}

@test "spec: what is no configuration is refused untouched" {
        echo '[]' >"$dir/config.json"
        run -1 "$hookctl" spec add-hooks "$dir/config.json"
        [[ $output == *"'$dir/config.json': not an OCI configuration"* ]]
        [ "$(<"$dir/config.json")" = '[]' ]
        run -1 "$hookctl" spec add-hooks "$dir/none.json"
        run -2 "$hookctl" spec
        run -2 "$hookctl" spec frob "$dir/config.json"
}

@test "wrong values of set-up's options: exit 2" {
        for words in 'install --runtime rkt' 'install --stages startContainer' 'install --stages a,' \
                'install --timeout 0s' 'install --bin-dir relative' 'uninstall --wait 5' \
                'install --stages poststop,poststop' 'detect extra'; do
                # shellcheck disable=SC2086 # words
                run -2 "$hookctl" $words
        done
}

@test "detect: an array of objects with known states" {
        [ "$(id -u)" -eq 0 ] || skip 'this needs root'
        run -0 "$hookctl" detect -o json
        jq -e 'all(.[]; .runtime and (.state | IN("absent", "hooked", "partly", "drifted",
                "waiting", "broken", "refused")))' <<<"$output"
}

@test "install --dry-run: a file that serves two runtimes is shown once" {
        [ "$(id -u)" -eq 0 ] || skip 'this needs root'
        host=$dir/host
        mkdir -p "$host"/{usr/bin,usr/share/containers,usr/local,etc,run,proc,var/lib}
        printf '#!/bin/true\n' | install -m 755 /dev/stdin "$host/usr/bin/podman"
        cp "$host/usr/bin/podman" "$host/usr/bin/crio"
        run -0 "$hookctl" install --dry-run --host-root "$host"
        [ "$(grep -c '^+++ .*/kubearmor-hook-createRuntime.json$' <<<"$output")" -eq 1 ]
        run -0 "$hookctl" install --dry-run --host-root "$host" -o json
        [ "$(jq -c 'map([.runtime, (.files | length)])' <<<"$output")" = '[["crio",2],["podman",2]]' ]
}
