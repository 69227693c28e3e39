#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets stderr
# kubearmor-hookctl beside the real listener, told of containers by the real hook.

# shellcheck source=tests/cli/helpers.bash
source "$BATS_TEST_DIRNAME/helpers.bash"

setup() {
        common_setup
        start_hookd
}

teardown() {
        common_teardown
}

schema() {
        "$BATS_TEST_DIRNAME/check-schema" "$repo/docs/events.schema.json" "$@"
}

@test "list: a table of what there is" {
        create web-1 "$(crio web web-0 shop)"
        run -0 ctl list
        [ "${#lines[@]}" -eq 2 ]
        [[ ${lines[0]} =~ ^ID\ +NAME\ +POD\ +NAMESPACE\ +IMAGE\ +PID\ +PROFILE\ +STATE\ +AGE$ ]]
        read -r id name pod namespace image pid profile state age <<<"${lines[1]}"
        [ "$id $name $pod $namespace $image $pid $profile" = "web-1 web web-0 shop web:1.2.3 $init a-profile" ]
        [[ $state =~ ^(created|running)$ && $age =~ ^[0-9]+s$ ]]
}

@test "list: nothing is a header, an empty array, or no line" {
        run -0 ctl list
        [ "${#lines[@]}" -eq 1 ]
        [ "$(ctl list -o json)" = '[]' ]
        [ -z "$(ctl list -o jsonl)" ]
        [ -z "$(ctl list --no-headers)" ]
}

@test "list -o json: an array of objects as the schema has them" {
        create one "$(crio a pod-a ns)"
        create two
        ctl list -o json | jq -c '.[]' >"$dir/objects"
        [ "$(wc -l <"$dir/objects")" -eq 2 ]
        schema container <"$dir/objects"
        ctl list -o jsonl | schema container
        [ "$(ctl list -o jsonl | jq -r .id | sort | xargs)" = 'one two' ]
        [ "$(ctl list -o json | jq -r '.[] | select(.id == "one").namespaces.mnt')" = \
                "$(stat -Lc %i "/proc/${inits[one]}/ns/mnt")" ]
}

@test "list: filters of the listener, and labels" {
        create one "$(crio a pod-a ns-1)"
        create two "$(crio b pod-b ns-2)"
        [ "$(ctl list -o jsonl -n ns-1 | jq -r .id)" = one ]
        [ "$(ctl list -o jsonl --pod pod-b | jq -r .id)" = two ]
        [ "$(ctl list -o jsonl --name a | jq -r .id)" = one ]
        [ "$(ctl list -o jsonl --type container | wc -l)" -eq 2 ]
        [ -z "$(ctl list -o jsonl --type sandbox)" ]
        [ -z "$(ctl list -o jsonl --state exited)" ]
        [ -z "$(ctl list -o jsonl --runtime no-such)" ]
        [ "$(ctl list -o jsonl -l app=b | jq -r .id)" = two ]
        [ "$(ctl list -o jsonl -l tier -l app=a | jq -r .id)" = one ]
        [ -z "$(ctl list -o jsonl -l app=a -l app=b)" ]
        [ -z "$(ctl list -o jsonl -l ap)" ]
}

@test "list: 64-digit ids are cut, and found by what is shown" {
        id=$(printf '%064d' 7 | tr 0 a)
        create "$id"
        shown=$(ctl list --no-headers | cut -d' ' -f1)
        [ "$shown" = aaaaaaaaaaaa ]
        [ "$(ctl inspect -o json "$shown" | jq -r .id)" = "$id" ]
        [ "$(ctl list --no-headers --no-trunc | cut -d' ' -f1)" = "$id" ]
}

# table_on_terminal COLUMNS COMMAND...: the longest line that the terminal gets to show.
table_on_terminal() {
        local columns=$1
        shift
        script -qec "stty cols $columns; $hookctl $* --events $events" /dev/null </dev/null |
                sed 's/\x1b\[[0-9;]*m//g' | tr -d '\r' >"$dir/table"
        wc -L <"$dir/table"
}

@test "tables fit the terminal: 80 and 200 columns, and COLUMNS" {
        create "$(printf '%064d' 7)" "$(crio a-rather-long-name a-pod-7c9d8f6b5-x2k4p a-namespace-of-it)"
        create other "$(crio x x x)"
        [ "$(table_on_terminal 80 list)" -le 80 ]
        grep -q '^000000000000 ' "$dir/table"
        grep -q '…' "$dir/table"
        [ "$(table_on_terminal 80 list -o wide)" -le 80 ]
        [ "$(table_on_terminal 200 list)" -le 200 ]
        grep -q a-rather-long-name "$dir/table"
        [ "$(table_on_terminal 80 list --no-trunc)" -gt 80 ]
        [ "$(COLUMNS=70 ctl list | wc -L)" -le 70 ]
        # Not on a terminal nothing is cut.
        ctl list | grep -q 'a-rather-long-name a-pod-7c9d8f6b5-x2k4p a-namespace-of-it'
        # Columns stand below one another.
        COLUMNS=80 ctl list | sed 's/…/./g' >"$dir/table"
        offset=$(awk 'NR == 1 { print index($0, "STATE") }' "$dir/table")
        [ -z "$(awk -v at="$offset" 'NR > 1 && substr($0, at) !~ /^(created|running) /' "$dir/table")" ]
}

@test "colours: on a terminal, by --color, never with NO_COLOR" {
        create one
        esc=$'\e'
        run -0 script -qec "$hookctl list --events $events" /dev/null </dev/null
        [[ $output == *"$esc"[* ]]
        run -0 script -qec "NO_COLOR=1 $hookctl list --events $events" /dev/null </dev/null
        [[ $output != *"$esc"[* ]]
        run -0 script -qec "TERM=dumb $hookctl list --events $events" /dev/null </dev/null
        [[ $output != *"$esc"[* ]]
        run -0 ctl list
        [[ $output != *"$esc"[* ]]
        run -0 ctl list --color always
        [[ $output == *"$esc"[* ]]
        run -0 script -qec "$hookctl list --color never --events $events" /dev/null </dev/null
        [[ $output != *"$esc"[* ]]
}

@test "hostile text reaches no terminal, and is unchanged in JSON" {
        name=$'e\e[31mv\u202ei\u009bl\u200b\nü日'
        create one "$(crio "$name" pod ns)"
        for words in list 'inspect one' 'list -o json' 'list --watch'; do
                # shellcheck disable=SC2086
                run timeout 2 "$hookctl" $words --events "$events"
                [[ $output != *$'\e'* && $output != *$'\u202e'* && $output != *$'\u009b'* ]]
        done
        run -0 ctl list
        [[ $output == *'e\u001b[31mv\u202ei\u009bl\u200b\u000aü日'* ]]
        [ "${#lines[@]}" -eq 2 ]
        [ "$(ctl list -o jsonl | jq -r .name)" = "$name" ]
        LC_ALL=C ctl list | LC_ALL=C grep -q '\\u00fc\\u65e5'
        LC_ALL=C ctl list >"$dir/plain"
        LC_ALL=C run ! grep -q '[^ -~]' "$dir/plain"
}

@test "inspect: every fact, in sections" {
        create web-1 "$(crio web web-0 shop)"
        run -0 ctl inspect web-1
        for line in Container '  id: web-1' '  name: web' Pod '  namespace: shop' Process \
                "  pid: $init" '  command: sleep' Namespaces \
                "  mnt: $(stat -Lc %i "/proc/$init/ns/mnt")" Security '  AppArmor profile: a-profile' \
                Labels '  app: web' Annotations '  io.container.manager: cri-o'; do
                grep -qxF -- "$line" <<<"$output"
        done
        grep -q "^  net: $(stat -Lc %i "/proc/$init/ns/net").* (the host's)" <<<"$output"
        ctl inspect -o json web-1 | schema container
}

@test "inspect and whose by a prefix: one, several (exit 5), none (exit 4)" {
        create abc-1
        create abc-2
        create abd
        run -0 ctl inspect abd
        run -0 ctl inspect abc-2
        run -5 --separate-stderr ctl inspect abc
        [[ $stderr == *"'abc'"*"2 ids"*abc-1*abc-2* ]]
        run -5 ctl whose ab
        run -4 --separate-stderr ctl inspect nobody
        [[ $stderr == *"no container 'nobody'"* ]]
        run -4 ctl whose nobody
}

@test "whose: by namespaces" {
        create one
        create two
        mnt=$(stat -Lc %i "/proc/${inits[two]}/ns/mnt")
        pidns=$(stat -Lc %i "/proc/${inits[two]}/ns/pid")
        [ "$(ctl whose -o jsonl --mntns "$mnt" | jq -r .id)" = two ]
        [ "$(ctl whose -o jsonl --pidns "$pidns" | jq -r .id)" = two ]
        [ "$(ctl whose --no-headers --mntns "$mnt" | cut -d' ' -f1)" = two ]
        run -4 ctl whose --mntns 1
        run -4 ctl whose --cgroup 18446744073709551615
}

@test "whose --pid: init, another process in it, and one in none" {
        create one
        create two
        [ "$(ctl whose -o jsonl --pid "${inits[one]}" | jq -r .id)" = one ]
        nsenter --target "${inits[two]}" --mount --pid sleep infinity 3>&- &
        entered=$!
        pids+=("$entered")
        until_true 'a process enters' has_child "$entered"
        inside=$(child_of "$entered")
        pids+=("$inside")
        [ "$inside" != "${inits[two]}" ]
        [ "$(ctl whose -o jsonl --pid "$inside" | jq -r .id)" = two ]
        # Of its pid namespace alone: in another mount namespace.
        unshare --mount nsenter --target "${inits[two]}" --pid sleep infinity 3>&- &
        entered=$!
        pids+=("$entered")
        until_true 'a process enters' has_child "$entered"
        inside=$(child_of "$entered")
        pids+=("$inside")
        [ "$(ctl whose -o jsonl --pid "$inside" | jq -r .id)" = two ]
        run -4 ctl whose --pid $$
        [[ $output == *"process $$ is in no container"* ]]
        run -4 ctl whose --pid 2147483647
}

@test "whose --pid: by the cgroup, or one above it" {
        root=/sys/fs/cgroup
        [ ! -d $root/unified ] || root=$root/unified
        [ "$(stat -fc %T $root)" = cgroup2fs ] || skip "no cgroup v2 hierarchy"
        group=$root/kh-cli-$$
        mkdir "$group" "$group/inner" || skip "cgroups cannot be made here"
        bundle=$dir/bundle-grouped
        mkdir -p "$bundle/rootfs"
        echo '{"ociVersion":"1.0.2","process":{"args":["sleep"]},"root":{"path":"rootfs"},"linux":{"namespaces":[{"type":"mount"}]}}' >"$bundle/config.json"
        unshare --mount sleep infinity 3>&- &
        grouped=$!
        pids+=("$grouped")
        sleep infinity 3>&- &
        other=$!
        pids+=("$other")
        echo "$grouped" >"$group/cgroup.procs"
        echo "$other" >"$group/inner/cgroup.procs"
        until_true 'a mount namespace' not_ours "$grouped"
        call_hook createRuntime grouped "$grouped" "$bundle"
        by_id=$(ctl whose -o jsonl --cgroup "$(stat -c %i "$group")" | jq -r .id)
        by_pid=$(ctl whose -o jsonl --pid "$other" | jq -r .id)
        kill -KILL "$grouped" "$other"
        until_true 'the inner cgroup is empty' rmdir "$group/inner" 2>/dev/null
        until_true 'the cgroup is empty' rmdir "$group" 2>/dev/null
        [ "$by_id" = grouped ]
        [ "$by_pid" = grouped ]
}

not_ours() {
        [ "$(readlink "/proc/$1/ns/mnt")" != "$(readlink /proc/$$/ns/mnt)" ]
}

@test "status: a summary, and the listener's line" {
        create one
        run -0 ctl status
        grep -q "^  version  *$("$hookd" --version | grep -o '[0-9.]*$')" <<<"$output"
        grep -q '^  containers  *1$' <<<"$output"
        ctl status -o json | jq -c .listener | schema status
        [ "$(ctl status -o json | jq .listener.containers.total)" -eq 1 ]
}

@test "metrics: OpenMetrics text" {
        create one
        run -0 ctl metrics
        [ "${lines[-1]}" = '# EOF' ]
        grep -q '^kubearmor_hookd_' <<<"$output"
}

@test "watch: rows as they happen" {
        create before
        start_watch "$dir/out" watch
        until_true 'the header' has_line "$dir/out" '^TIMESTAMP'
        create one "$(crio web web-0 shop)"
        end one
        until_true 'a row of its end' has_line "$dir/out" ' removed one '
        grep -Eq '^[0-9:]{8}\.[0-9]{3} created one +web +web-0 +shop ' "$dir/out"
        run ! grep -Eq ' (present|created) before ' "$dir/out"
        [ "$(grep -c ' created one ' "$dir/out")" -eq 1 ]
}

@test "list --watch: what is there, then what happens" {
        create before
        start_watch "$dir/out" list --watch
        until_true 'what is there' has_line "$dir/out" ' present before '
        create after
        until_true 'what happens' has_line "$dir/out" ' created after '
}

@test "watch -o json: the stream's lines, from synced on" {
        create before
        start_watch "$dir/out" watch -o json
        until_true 'synced' has_line "$dir/out" '"type":"synced"'
        create one
        end one
        until_true 'its end' has_line "$dir/out" '"type":"removed"'
        schema <"$dir/out"
        [ "$(jq -r .type "$dir/out" | head -1)" = synced ]
        [ "$(jq -r 'select(.container.id == "one" and .type != "updated").type' "$dir/out" | xargs)" = 'created removed' ]
}

@test "watch: filters" {
        start_watch "$dir/out" watch -o jsonl -n shop -l app=web
        until_true 'synced' has_line "$dir/out" '"type":"synced"'
        create one "$(crio web pod other)"
        create two "$(crio db pod shop)"
        create three "$(crio web pod shop)"
        until_true 'the one that matches' has_line "$dir/out" '"id":"three"'
        [ "$(jq -r 'select(.container).container.id' "$dir/out" | sort -u)" = three ]
}

@test "watch: one created and one removed each, across a restart of the listener" {
        start_watch "$dir/out" list --watch -o json
        until_true 'synced' has_line "$dir/out" '"type":"synced"'
        create stays
        create goes
        create returns
        stop_hookd
        until_true 'word of it' has_line "$dir/out.err" 'waiting for it to come back'
        kill -KILL "${inits[goes]}" "${inits[returns]}"
        start_hookd
        create returns
        create new
        until_true 'word of it' has_line "$dir/out.err" 'the listener is back'
        until_true 'new ones' has_line "$dir/out" '"id":"new"'
        until_true 'old ones' has_line "$dir/out" '"type":"removed".*"id":"goes"'
        end stays
        until_true 'the end' has_line "$dir/out" '"type":"removed".*"id":"stays"'
        kill "$follower"
        schema <"$dir/out"
        lives=$(jq -r 'select(.type == "created" or .type == "removed") |
                "\(.container.id) \(.type)"' "$dir/out" | sort | uniq -c | awk '{ print $2, $3, $1 }')
        [ "$lives" = 'goes created 1
goes removed 1
new created 1
returns created 2
returns removed 1
stays created 1
stays removed 1' ]
}

@test "watch ends when nobody reads it any more" {
        start_watch_into_head() {
                "$hookctl" list --watch --events "$events" 3>&- | head -1 >"$dir/first"
        }
        start_watch_into_head &
        pipe=$!
        pids+=("$pipe")
        until_true 'the pipe ends' dead "$pipe"
        grep -q '^TIMESTAMP' "$dir/first"
}

dead() {
        ! kill -0 "$1" 2>/dev/null
}

@test "a full disk is noticed: exit 1" {
        create one
        for words in list 'list -o json' 'inspect one' status metrics; do
                # shellcheck disable=SC2086
                run -1 bash -c '"$@" >/dev/full' - "$hookctl" $words --events "$events"
                [[ $output == *"write to standard output"* ]]
        done
}

@test "not permitted: exit 6, and how to mend it" {
        cp "$hookctl" "$dir/hookctl"
        chmod 755 "$dir" "$dir/events"
        run -6 --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups \
                "$dir/hookctl" list --events "$events"
        [[ $stderr == *"Permission denied"*"run as root"* ]]
}

@test "completion offers what there is" {
        create web-1 "$(crio web web-0 shop)"
        # shellcheck source=/dev/null
        source "$repo/completions/kubearmor-hookctl"
        COMP_WORDS=("$hookctl" inspect --events "$events" w) COMP_CWORD=4
        _kubearmor_hookctl
        [ "${COMPREPLY[*]}" = web-1 ]
        COMP_WORDS=("$hookctl" list --events "$events" -n '') COMP_CWORD=5
        _kubearmor_hookctl
        [ "${COMPREPLY[*]}" = shop ]
}

@test "completion executes nothing that a container is called" {
        cd "$dir"
        # shellcheck disable=SC2016 # it must not be expanded
        create '$(touch${IFS}executed)' "$(crio '$(touch${IFS}executed)' web-0 '`touch${IFS}executed`')"
        # shellcheck source=/dev/null
        source "$repo/completions/kubearmor-hookctl"
        COMP_WORDS=("$hookctl" inspect --events "$events" '') COMP_CWORD=4
        _kubearmor_hookctl
        [ ! -e executed ]
        [ "${COMPREPLY[*]}" = '\$\(touch\$\{IFS\}executed\)' ]
        COMP_WORDS=("$hookctl" list --events "$events" -n '') COMP_CWORD=5
        _kubearmor_hookctl
        [ ! -e executed ]
        [ "${#COMPREPLY[@]}" -eq 1 ]
}
