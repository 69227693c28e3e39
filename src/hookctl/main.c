/* SPDX-License-Identifier: Apache-2.0 */
/* kubearmor-hookctl: what runs in containers on this node, on a terminal or for a script. */
#include "hookctl/hookctl.h"
#include "hookctl/options.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct kh_command *const commands[] = {
        &kh_command_list,
        &kh_command_watch,
        &kh_command_inspect,
        &kh_command_whose,
        &kh_command_status,
        &kh_command_metrics,
        &kh_command_detect,
        &kh_command_install,
        &kh_command_verify,
        &kh_command_repair,
        &kh_command_uninstall,
        &kh_command_spec,
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const struct kh_command *find_command(const char *name)
{
        for (size_t i = 0; i < N_COMMANDS; i++) {
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
        }
        return NULL;
}

/* Levenshtein's distance of two words, the second at most LONGEST_WORD bytes. */
enum { LONGEST_WORD = 15 };

static unsigned distance(const char *a, const char *b)
{
        unsigned row[LONGEST_WORD + 1], n = (unsigned)strlen(b);

        for (unsigned j = 0; j <= n; j++)
                row[j] = j;
        for (; *a; a++) {
                unsigned diagonal = row[0]++;

                for (unsigned j = 1; j <= n; j++) {
                        unsigned best = diagonal + (*a != b[j - 1]);

                        if (row[j] + 1 < best)
                                best = row[j] + 1;
                        if (row[j - 1] + 1 < best)
                                best = row[j - 1] + 1;
                        diagonal = row[j];
                        row[j] = best;
                }
        }
        return row[n];
}

static enum kh_exit fail_command(const char *name)
{
        const char *nearest = NULL;
        unsigned least = 3; /* farther words are other words */

        for (size_t i = 0; i < N_COMMANDS; i++) {
                unsigned d = distance(name, commands[i]->name);

                if (d < least) {
                        least = d;
                        nearest = commands[i]->name;
                }
        }
        if (nearest)
                return kh_report(
                        KH_EXIT_USAGE, "unknown command '%s': did you mean '%s'?", name, nearest);
        return kh_report(KH_EXIT_USAGE,
                "unknown command '%s': 'kubearmor-hookctl help' names those that there are", name);
}

static void print_help(FILE *f)
{
        (void)fputs("Usage: kubearmor-hookctl [OPTION]... COMMAND [OPTION]...\n\n"
                    "Show what runs in containers on this node, and set it up to tell.\n\n"
                    "Commands:\n",
                f);
        for (size_t i = 0; i < N_COMMANDS; i++)
                (void)fprintf(f, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
        (void)fputs("  version   Print the version.\n"
                    "  help      Describe a command.\n\n"
                    "'kubearmor-hookctl help COMMAND' names a command's options.\n",
                f);
}

static enum kh_exit run_help(const char *name)
{
        const struct kh_command *command;

        if (!name) {
                print_help(stdout);
                return KH_EXIT_OK;
        }
        command = find_command(name);
        if (!command)
                return fail_command(name);
        kh_print_command_help(command);
        return KH_EXIT_OK;
}

static enum kh_exit run_command(int argc, char **argv)
{
        const struct kh_command *command = find_command(argv[0]);
        struct kh_settings settings;
        enum kh_exit code;

        if (!command)
                return fail_command(argv[0]);
        if (!kh_options_read(command, argc, argv, &settings, &code))
                return code;
        return command->run(&settings, argc - optind, argv + optind);
}

/* "--events PATH list" means what "list --events PATH" does: the word moves to the front. */
static void move_command_first(int argc, char **argv)
{
        int at = kh_options_find_command(argc, argv);
        char *command;

        if (at <= 1 || at >= argc)
                return;
        command = argv[at];
        memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
        argv[1] = command;
}

static enum kh_exit dispatch(int argc, char **argv)
{
        move_command_first(argc, argv);
        if (argc < 2) {
                print_help(stderr);
                return KH_EXIT_USAGE;
        }
        if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
                strcmp(argv[1], "-h") == 0)
                return run_help(argv[2]);
        if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
                (void)puts("kubearmor-hookctl " KH_VERSION);
                return KH_EXIT_OK;
        }
        if (argv[1][0] == '-')
                return kh_report(KH_EXIT_USAGE,
                        "no command given: 'kubearmor-hookctl help' names those that there are");
        return run_command(argc - 1, argv + 1);
}

/* What was written into a full disk or a closed pipe may show only at the end. */
static bool close_output(void)
{
        bool failed = ferror(stdout);

        if (fclose(stdout) != 0)
                (void)fprintf(stderr, "kubearmor-hookctl: write to standard output: %s\n",
                        strerror(errno));
        else if (failed)
                (void)fputs("kubearmor-hookctl: write to standard output failed\n", stderr);
        else
                return true;
        return false;
}

int main(int argc, char **argv)
{
        enum kh_exit code;

        (void)setlocale(LC_CTYPE, "");
        code = dispatch(argc, argv);
        if (!close_output() && code == KH_EXIT_OK)
                code = KH_EXIT_FAILURE;
        return code;
}
