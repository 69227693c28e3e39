/* SPDX-License-Identifier: Apache-2.0 */
#include "wrapper/arguments.h"

#include <stddef.h>
#include <string.h>

/* Options before the command that take their value from the next word. */
static const char *const global_with_value[] = { "root", "log", "log-format", "criu", "rootless",
        "cgroup-manager", NULL };

/* The commands that read the bundle's hooks. */
static const char *const making[] = { "create", "restore", "run", NULL };

/* Their options. */
static const char *const local_with_value[] = { "b", "bundle", "console-socket", "pidfd-socket",
        "pid-file", "preserve-fds", "f", "config", "image-path", "work-path", "parent-path",
        "manage-cgroups-mode", "empty-ns", "lsm-profile", "lsm-mount-context", NULL };

/* The name in "-name", "--name", "--name=value", and the value if it is there; NULL: no option. */
static const char *option_name(const char *word, size_t *ret_n, const char **ret_value)
{
        const char *name = word, *equals;

        if (*name++ != '-')
                return NULL;
        name += *name == '-';
        if (!*name)
                return NULL;
        equals = strchr(name, '=');
        *ret_n = equals ? (size_t)(equals - name) : strlen(name);
        *ret_value = equals ? equals + 1 : NULL;
        return name;
}

static bool is_name(const char *name, size_t n, const char *wanted)
{
        return strlen(wanted) == n && memcmp(name, wanted, n) == 0;
}

static bool is_one_of(const char *name, size_t n, const char *const *names)
{
        while (*names && !is_name(name, n, *names))
                names++;
        return *names != NULL;
}

void kh_arguments_read(int argc, char **argv, struct kh_arguments *ret)
{
        bool in_command = false;

        *ret = (struct kh_arguments){ .bundle = NULL };
        for (int i = 1; i < argc; i++) {
                const char *value;
                size_t n = 0;
                const char *name = option_name(argv[i], &n, &value);

                if (!name) {
                        if (in_command)
                                return; /* the container's id */
                        in_command = true;
                        ret->makes_container = is_one_of(argv[i], strlen(argv[i]), making);
                        ret->asks_features = strcmp(argv[i], "features") == 0;
                        if (!ret->makes_container)
                                return;
                        continue;
                }
                if (!value && is_one_of(name, n, in_command ? local_with_value : global_with_value))
                        value = ++i < argc ? argv[i] : NULL;
                if (!in_command && is_name(name, n, "log"))
                        ret->log = value;
                else if (in_command && (is_name(name, n, "bundle") || is_name(name, n, "b")))
                        ret->bundle = value;
        }
}
