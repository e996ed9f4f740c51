// SPDX-License-Identifier: Apache-2.0
// Not a test: what ServerProcess runs (ipc_support.h).
#include <gtest/gtest.h>

#include "ipc_support.h"

namespace {

using namespace mango::ipc;

TEST(IpcServe, DISABLED_serves_for_another_process) {
  const char* path = getenv("MANGO_TEST_SERVE");
  if (!path) GTEST_SKIP() << "runs for other tests only";
  Failure failure;
  const auto server = open_server(path, test::echo, failure);
  const std::string line = (server ? server->path() : "") + '\n';
  ASSERT_EQ(::write(test::kPathFd, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) > 0) {
  }
}

}  // namespace
