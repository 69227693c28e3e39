/* SPDX-License-Identifier: Apache-2.0 */
/* What any program costs: exec, the C library's start, exit. */
int main(void)
{
        return 0;
}
