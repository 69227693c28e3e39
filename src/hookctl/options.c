/* SPDX-License-Identifier: Apache-2.0 */
#include "hookctl/options.h"
#include "hookctl/setup_options.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/number.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct option_text {
        char letter; /* 0: none */
        const char *name;
        const char *argument; /* its name in the help text; NULL: it takes none */
        const char *help;     /* NULL: the formats that the sub-command can */
};

/* clang-format off */
static const struct option_text catalogue[] = {
        [KH_OPT_EVENTS]     = { 0,   "events", "PATH", "the listener's events socket" },
        [KH_OPT_TIMEOUT]    = { 0,   "timeout", "DURATION", "how long it may stay silent (5s)" },
        [KH_OPT_OUTPUT]     = { 'o', "output", "FORMAT", NULL },
        [KH_OPT_COLOR]      = { 0,   "color", "WHEN", "auto, always or never (auto)" },
        [KH_OPT_NO_TRUNC]   = { 0,   "no-trunc", NULL, "cut nothing to fit the terminal" },
        [KH_OPT_NO_HEADERS] = { 0,   "no-headers", NULL, "no header line" },
        [KH_OPT_WATCH]      = { 'w', "watch", NULL, "go on with what happens" },
        [KH_OPT_NAMESPACE]  = { 'n', "namespace", "NAME", "of pods in this namespace" },
        [KH_OPT_POD]        = { 0,   "pod", "NAME", "of this pod" },
        [KH_OPT_NAME]       = { 0,   "name", "NAME", "of this name" },
        [KH_OPT_LABEL]      = { 'l', "label", "KEY[=VALUE]", "with this label (repeatable)" },
        [KH_OPT_RUNTIME]    = { 0,   "runtime", "NAME", "made by this OCI runtime" },
        [KH_OPT_TYPE]       = { 0,   "type", "TYPE", "container or sandbox" },
        [KH_OPT_STATE]      = { 0,   "state", "STATE", "created, running or exited" },
        [KH_OPT_PID]        = { 0,   "pid", "PID", "of any process" },
        [KH_OPT_MNTNS]      = { 0,   "mntns", "INODE", "by a mount namespace's inode number" },
        [KH_OPT_PIDNS]      = { 0,   "pidns", "INODE", "by a pid namespace's inode number" },
        [KH_OPT_CGROUP]     = { 0,   "cgroup", "ID", "by a cgroup's id in the v2 hierarchy" },
        [KH_OPT_ON_RUNTIME] = { 0,   "runtime", "NAME", "only this one (repeatable)" },
        [KH_OPT_HOST_ROOT]  = { 0,   "host-root", "DIR", "the host's root, as mounted here" },
        [KH_OPT_DRY_RUN]    = { 0,   "dry-run", NULL, "show what would change, change nothing" },
        [KH_OPT_RESTART]    = { 0,   "restart", NULL, "restart the daemons that have to be" },
        [KH_OPT_WAIT]       = { 0,   "wait", "DURATION", "wait so long for the last step" },
        [KH_OPT_BIN_DIR]    = { 0,   "bin-dir", "DIR", "where the hook goes on the host" },
        [KH_OPT_SOURCE_DIR] = { 0,   "source-dir", "DIR", "where the hook comes from" },
        [KH_OPT_STAGES]     = { 0,   "stages", "NAME[,NAME]", "(createRuntime,poststop)" },
        [KH_OPT_DOCKER_DEFAULT] = { 0, "docker-default", NULL, "for all of Docker's containers" },
        [KH_OPT_RUNTIME_PATH]   = { 0, "runtime-path", "PATH", "what Docker's wrapper calls" },
        [KH_OPT_HOOK_SOCKET]    = { 0, "socket", "PATH", "the hook's: where it tells" },
        [KH_OPT_HOOK_SPOOL]     = { 0, "spool", "DIR", "the hook's: where events wait" },
        [KH_OPT_HOOK_TIMEOUT]   = { 0, "timeout", "DURATION", "the hook's: its deadline (1s)" },
        [KH_OPT_HOOK_LOG]       = { 0, "log", "FILE", "the hook's: what went wrong" },
        [KH_OPT_FAIL_CLOSED]    = { 0, "fail-closed", NULL, "the hook's: refuse unannounced" },
        [KH_OPT_EXEMPT_NAMESPACE] = { 0, "exempt-namespace", "NAME", "the hook's (repeatable)" },
        [KH_OPT_LISTENER_COMMAND] = { 0, "listener-command", "PATH", "the hook's (repeatable)" },
        [KH_OPT_STATE_ROOT] = { 0, "state-root", "DIR", "the hook's (repeatable)" },
        [KH_OPT_DENY_RUNTIME_SOCKETS] = { 0, "deny-runtime-sockets", NULL, "the hook's" },
        [KH_OPT_ROOTLESS]   = { 0,   "rootless", "USER", "his own Podman too (repeatable)" },
        [KH_OPT_DEFAULTS]   = { 0,   "defaults", NULL, "forget options of earlier installs" },
        [KH_OPT_HELP]       = { 'h', "help", NULL, "this text" },
};
/* clang-format on */

enum { MAX_OPTIONS = sizeof(catalogue) / sizeof(catalogue[0]), LONG_OPTION = 256 };

static const char *const output_name[KH_OUT_COUNT] = {
        [KH_OUT_TABLE] = "table",
        [KH_OUT_WIDE] = "wide",
        [KH_OUT_TEXT] = "text",
        [KH_OUT_JSON] = "json",
        [KH_OUT_JSONL] = "jsonl",
};

static enum kh_output default_output(const struct kh_command *command)
{
        return (enum kh_output)__builtin_ctz(command->outputs | 1U << KH_OUT_COUNT);
}

/* "table, wide, json or jsonl" */
struct output_names {
        char text[40];
};

static struct output_names name_outputs(unsigned outputs)
{
        struct output_names names = { "" };
        struct kh_buf b = kh_buf_of(names.text, sizeof(names.text));

        for (unsigned left = outputs; left; left &= left - 1) {
                const char *joint = left == outputs ? "" : left & (left - 1) ? ", " : " or ";

                kh_buf_span(&b, kh_span_of(joint));
                kh_buf_span(&b, kh_span_of(output_name[__builtin_ctz(left)]));
        }
        kh_buf_terminate(&b);
        return names;
}

static void print_option(const struct kh_command *command, const struct option_text *o)
{
        char left[40];
        int n = o->letter ? snprintf(left, sizeof(left), "-%c, ", o->letter)
                          : snprintf(left, sizeof(left), "    ");

        (void)snprintf(left + n, sizeof(left) - (size_t)n, "--%s%s%s", o->name,
                o->argument ? " " : "", o->argument ? o->argument : "");
        (void)printf("  %-28s ", left);
        if (o->help) {
                (void)printf("%s\n", o->help);
                return;
        }
        (void)printf("%s (%s)\n", name_outputs(command->outputs).text,
                output_name[default_output(command)]);
}

void kh_print_command_help(const struct kh_command *command)
{
        (void)printf("Usage: kubearmor-hookctl %s [OPTION]...%s%s\n\n%s\n%s\nOptions:\n",
                command->name, *command->arguments ? " " : "", command->arguments, command->summary,
                command->details);
        for (const enum kh_option_id *id = command->options; *id != KH_OPT_END; id++)
                print_option(command, &catalogue[*id]);
}

static bool read_output(const struct kh_command *command, const char *text, enum kh_output *ret)
{
        for (unsigned i = 0; i < KH_OUT_COUNT; i++) {
                if (command->outputs >> i & 1 && strcmp(text, output_name[i]) == 0) {
                        *ret = (enum kh_output)i;
                        return true;
                }
        }
        return false;
}

static bool color_on_terminal(void)
{
        const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

        return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
               strcmp(term, "dumb") != 0;
}

static bool read_color(const char *text, bool *ret)
{
        if (strcmp(text, "auto") == 0)
                *ret = color_on_terminal();
        else if (strcmp(text, "always") == 0)
                *ret = true;
        else if (strcmp(text, "never") == 0)
                *ret = false;
        else
                return false;
        return true;
}

static bool read_timeout(const char *text, unsigned *ret_ms)
{
        uint64_t ns;

        if (!kh_parse_duration_ns(kh_span_of(text), &ns) || ns < KH_NS_PER_MS)
                return false;
        *ret_ms = (unsigned)(ns / KH_NS_PER_MS);
        return true;
}

/* Is it one of the words that the listener knows? A misspelt one would match nothing, silently. */
static bool read_word(const char *text, const char *const *words, const char **ret)
{
        for (; *words; words++) {
                if (strcmp(text, *words) == 0)
                        *ret = *words;
        }
        return *ret != NULL;
}

static bool read_label(const char *text, struct kh_settings *s)
{
        const char *equals = strchrnul(text, '=');

        if (equals == text || s->n_labels == KH_MAX_LABELS)
                return false;
        s->labels[s->n_labels++] = (struct kh_label){
                .name = text,
                .name_len = (size_t)(equals - text),
                .value = *equals ? equals + 1 : NULL,
        };
        return true;
}

/* An empty filter would be none at all to the listener. */
static bool read_text(const char *text, const char **ret)
{
        *ret = text;
        return *text != '\0';
}

static bool read_number(const char *text, uint64_t max, uint64_t *ret)
{
        return kh_parse_u64(kh_span_of(text), max, ret) && *ret > 0;
}

static bool apply_filter(enum kh_option_id id, const char *value, struct kh_settings *s)
{
        static const char *const types[] = { "container", "sandbox", NULL };
        static const char *const states[] = { "created", "running", "exited", NULL };

        switch (id) {
        case KH_OPT_NAMESPACE:
                return read_text(value, &s->filter.pod_namespace);
        case KH_OPT_POD:
                return read_text(value, &s->filter.pod);
        case KH_OPT_NAME:
                return read_text(value, &s->filter.name);
        case KH_OPT_RUNTIME:
                return read_text(value, &s->filter.runtime);
        case KH_OPT_TYPE:
                return read_word(value, types, &s->filter.type);
        case KH_OPT_STATE:
                return read_word(value, states, &s->filter.state);
        case KH_OPT_LABEL:
                return read_label(value, s);
        default:
                return false;
        }
}

static bool apply(const struct kh_command *command, enum kh_option_id id, const char *value,
        struct kh_settings *s)
{
        switch (id) {
        case KH_OPT_EVENTS:
                return read_text(value, &s->events);
        case KH_OPT_TIMEOUT:
                return read_timeout(value, &s->timeout_ms);
        case KH_OPT_OUTPUT:
                return read_output(command, value, &s->output);
        case KH_OPT_COLOR:
                return read_color(value, &s->color);
        case KH_OPT_NO_TRUNC:
                return s->no_trunc = true;
        case KH_OPT_NO_HEADERS:
                return s->no_headers = true;
        case KH_OPT_WATCH:
                return s->watch = true;
        case KH_OPT_PID:
                return read_number(value, INT32_MAX, &s->pid);
        case KH_OPT_MNTNS:
                return read_number(value, UINT64_MAX, &s->mntns);
        case KH_OPT_PIDNS:
                return read_number(value, UINT64_MAX, &s->pidns);
        case KH_OPT_CGROUP:
                return read_number(value, UINT64_MAX, &s->cgroup);
        default:
                return kh_apply_setup_option(id, value, s) || apply_filter(id, value, s);
        }
}

static enum kh_exit fail_usage(const struct kh_command *command)
{
        (void)fprintf(stderr, "Try 'kubearmor-hookctl %s --help'.\n", command->name);
        return KH_EXIT_USAGE;
}

/* What an option takes, where its argument's name does not say it. */
static const char *expected(enum kh_option_id id)
{
        switch (id) {
        case KH_OPT_TIMEOUT:
        case KH_OPT_HOOK_TIMEOUT:
        case KH_OPT_WAIT:
                return ": give a number with its unit, such as 500ms, 2s or 1m";
        case KH_OPT_COLOR:
                return ": give auto, always or never";
        case KH_OPT_TYPE:
                return ": give container or sandbox";
        case KH_OPT_STATE:
                return ": give created, running or exited";
        case KH_OPT_STAGES:
                return ": give some of prestart, createRuntime, createContainer, poststart, poststop";
        case KH_OPT_ON_RUNTIME:
                return ": 'kubearmor-hookctl detect' names those of this node";
        case KH_OPT_PID:
        case KH_OPT_MNTNS:
        case KH_OPT_PIDNS:
        case KH_OPT_CGROUP:
                return ": give a number above 0";
        case KH_OPT_HOST_ROOT:
        case KH_OPT_BIN_DIR:
        case KH_OPT_SOURCE_DIR:
        case KH_OPT_RUNTIME_PATH:
                return ": give an absolute path";
        default:
                return "";
        }
}

static enum kh_exit fail_value(
        const struct kh_command *command, enum kh_option_id id, const char *value)
{
        const struct option_text *o = &catalogue[id];

        if (!o->argument)
                (void)kh_report(KH_EXIT_USAGE, "--%s is given too often", o->name);
        else if (id == KH_OPT_OUTPUT)
                (void)kh_report(KH_EXIT_USAGE, "--output: '%s' is none: give %s", value,
                        name_outputs(command->outputs).text);
        else
                (void)kh_report(KH_EXIT_USAGE, "--%s: '%s' is no %s%s", o->name, value, o->argument,
                        expected(id));
        return fail_usage(command);
}

/* getopt's own forms of a sub-command's table. */
struct getopt_tables {
        struct option longs[MAX_OPTIONS + 1];
        char shorts[2 * MAX_OPTIONS + 2];
};

static void fill_tables(const enum kh_option_id *ids, struct getopt_tables *t)
{
        size_t n_shorts = 0;

        *t = (struct getopt_tables){ 0 };
        t->shorts[n_shorts++] = ':'; /* so that it leaves the talking to us */
        for (size_t i = 0; ids[i] != KH_OPT_END; i++) {
                const struct option_text *o = &catalogue[ids[i]];

                t->longs[i] = (struct option){
                        .name = o->name,
                        .has_arg = o->argument ? required_argument : no_argument,
                        .val = LONG_OPTION + (int)ids[i],
                };
                if (!o->letter)
                        continue;
                t->shorts[n_shorts++] = o->letter;
                if (o->argument)
                        t->shorts[n_shorts++] = ':';
        }
}

/* The option that getopt_long() found; KH_OPT_END when it found none. */
static enum kh_option_id id_of(const enum kh_option_id *ids, int found)
{
        if (found >= LONG_OPTION)
                return (enum kh_option_id)(found - LONG_OPTION);
        while (*ids != KH_OPT_END && catalogue[*ids].letter != found)
                ids++;
        return *ids;
}

/* One option that was found: false when it ends the program. */
static bool take_option(const struct kh_command *command, int found, char **argv,
        struct kh_settings *s, enum kh_exit *ret_code)
{
        enum kh_option_id id = id_of(command->options, found);

        if (id == KH_OPT_HELP) {
                kh_print_command_help(command);
                *ret_code = KH_EXIT_OK;
        } else if (id == KH_OPT_END) {
                (void)kh_report(KH_EXIT_USAGE, "%s '%s'",
                        found == ':' ? "no argument for option" : "unknown or ambiguous option",
                        argv[optind - 1]);
                *ret_code = fail_usage(command);
        } else if (!apply(command, id, optarg, s)) {
                *ret_code = fail_value(command, id, optarg);
        } else {
                return true;
        }
        return false;
}

bool kh_options_read(const struct kh_command *command, int argc, char **argv, struct kh_settings *s,
        enum kh_exit *ret_code)
{
        struct getopt_tables tables;
        int found;

        *s = (struct kh_settings){
                .filter = { .size = sizeof(s->filter) },
                .output = default_output(command),
                .color = color_on_terminal(),
        };
        fill_tables(command->options, &tables);
        while ((found = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
                if (!take_option(command, found, argv, s, ret_code))
                        return false;
        }
        if (argc - optind <= command->max_arguments)
                return true;
        (void)kh_report(KH_EXIT_USAGE, "one argument too many: '%s'",
                argv[optind + command->max_arguments]);
        *ret_code = fail_usage(command);
        return false;
}

int kh_options_find_command(int argc, char **argv)
{
        enum kh_option_id all[MAX_OPTIONS];
        struct getopt_tables tables;
        int first;

        for (int i = 1; i < MAX_OPTIONS; i++) /* 0 is the list's end */
                all[i - 1] = (enum kh_option_id)i;
        all[MAX_OPTIONS - 1] = KH_OPT_END;
        fill_tables(all, &tables);
        tables.shorts[0] = '+'; /* up to the first word that is no option's */
        opterr = 0;
        while (getopt_long(argc, argv, tables.shorts, tables.longs, NULL) != -1)
                ;
        first = optind;
        optind = 0; /* getopt(3): begin anew */
        return first;
}
