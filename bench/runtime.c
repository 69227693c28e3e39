/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for a container runtime that has made a container and now runs its hooks: runtime
 * COMMAND ARGUMENT... makes a process with namespaces of its own and the name that runc's init has,
 * prints its pid, waits for a line and becomes COMMAND, whose children thus are the container's
 * siblings. The process dies with it.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void be_the_container(void)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "runc:[2:INIT]");
        for (;;)
                pause();
}

int main(int argc, char **argv)
{
        const unsigned long namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
                                         CLONE_NEWUTS | CLONE_NEWCGROUP;
        char go;
        long pid;

        if (argc < 2)
                return 2;
        pid = syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
        if (pid == 0)
                be_the_container();
        if (pid < 0) {
                fprintf(stderr, "runtime: cannot make namespaces: %s\n", strerror(errno));
                return 1;
        }
        printf("%ld\n", pid);
        fflush(stdout);
        if (read(STDIN_FILENO, &go, 1) != 1)
                return 1;
        execv(argv[1], argv + 1);
        fprintf(stderr, "runtime: cannot run '%s': %s\n", argv[1], strerror(errno));
        return 1;
}
