/* SPDX-License-Identifier: Apache-2.0
 * Usage: calls              names all cases
 *        calls CASE         runs one; exit status 0 when all is as it should be
 *        calls --child ...  what a case has made of this program by exec (process_cases.c) */
#include <signal.h>

#include "calls.h"

void run_child(int argc, char* argv[]);

int main(int argc, char* argv[]) {
  const struct test_case* groups[] = {descriptor_cases, data_cases,      end_cases,
                                      waiting_cases,    readiness_cases, process_cases};
  if (argc > 1 && strcmp(argv[1], "--child") == 0) {
    run_child(argc, argv);
    return 0;
  }
  alarm(60); /* a case that hangs ends, and says so by its signal */
  for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); ++group) {
    for (const struct test_case* one = groups[group]; one->name; ++one) {
      if (argc < 2) puts(one->name);
      if (argc < 2 || strcmp(argv[1], one->name) != 0) continue;
      one->run();
      return 0;
    }
  }
  if (argc < 2) return 0;
  fprintf(stderr, "no such case: %s\n", argv[1]);
  return 2;
}
