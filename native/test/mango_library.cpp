// SPDX-License-Identifier: Apache-2.0
// The library from outside: its names, its header, its statuses.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "mango_reference.h"
#include "mango_support.h"

using namespace mango_test;

namespace {

// Next to the test program, unless MANGO_LIBRARY says otherwise.
std::string library_path() {
  if (const char* path = std::getenv("MANGO_LIBRARY")) return path;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libmango.so";
}

// The reference's example, as a program of either language, with its two-argument mango_tcp_create.
constexpr const char* kExample = R"(
#include <libmango.h>
#include <string.h>
int main(void) {
  mango_ipc_h ipc = 0;
  mango_tcp_h tcp;
  mango_socket_h sock;
  struct sockaddr_in addr;
  char buf[128] = {0};
  memset(&addr, 0, sizeof(addr));
  if (mango_ipc_open("localhost:32847", false, &ipc) != MANGO_STATUS_OK) return 1;
  mango_tcp_create(ipc, &tcp);
  mango_tcp_create(&tcp);
  mango_tcp_set_ipc(tcp, ipc);
  mango_socket_create(tcp, &sock);
  mango_socket_open(sock, NULL);
  mango_socket_connect(sock, (struct sockaddr *)&addr, sizeof(addr));
  mango_socket_send(sock, buf, 128, NULL);
  return 0;
}
)";

void expect_compiles(const std::string& compiler, const std::string& extension) {
  const auto source =
      std::filesystem::temp_directory_path() / ("mango-example-" + std::to_string(getpid()) + extension);
  std::ofstream(source) << kExample;
  const auto include = std::filesystem::path(__FILE__).parent_path().parent_path() / "include";
  const std::string command = compiler + " -Wall -Wextra -pedantic -Werror -fsyntax-only -I" +
                              include.string() + " " + source.string();
  EXPECT_EQ(0, std::system(command.c_str())) << command;
  std::filesystem::remove(source);
}

}  // namespace

TEST(MangoLibrary, the_shared_object_has_every_function) {
  const std::string path = library_path();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(nullptr, library) << dlerror();
  for (const char* name : kReference) EXPECT_NE(nullptr, dlsym(library, name)) << name;
  for (const char* name : kBesides) EXPECT_NE(nullptr, dlsym(library, name)) << name;
  const auto version = reinterpret_cast<const char* (*)()>(dlsym(library, "mango_get_version"));
  EXPECT_STREQ(mango_get_version(), version());
  dlclose(library);
}

TEST(MangoLibrary, the_header_and_the_references_example_compile_cleanly) {
  expect_compiles("cc -std=c11", ".c");
  expect_compiles("c++ -std=c++17", ".cc");
}

TEST(MangoLibrary, statuses_have_names_and_messages) {
  EXPECT_STREQ("MANGO_STATUS_OK", mango_status_name(MANGO_STATUS_OK));
  EXPECT_STREQ("MANGO_STATUS_TLS_TRUNCATED", mango_status_name(MANGO_STATUS_TLS_TRUNCATED));
  EXPECT_STREQ("EDOM", mango_status_name(static_cast<mango_status_e>(-EDOM)));
  EXPECT_STREQ("unknown", mango_status_name(static_cast<mango_status_e>(77)));
  EXPECT_STREQ("unknown", mango_status_name(static_cast<mango_status_e>(-3000)));
  EXPECT_STREQ("unknown status", mango_status_message(static_cast<mango_status_e>(-3000)));
  EXPECT_NE(nullptr, mango_status_message(static_cast<mango_status_e>(-EDOM)));
}

TEST(MangoLibrary, statuses_are_negative_errnos) {
  EXPECT_EQ(-EAGAIN, MANGO_STATUS_AGAIN);
  EXPECT_EQ(-EINPROGRESS, MANGO_STATUS_IN_PROGRESS);
  EXPECT_EQ(-EBADF, MANGO_STATUS_INVALID_HANDLE);
  EXPECT_EQ(-EOPNOTSUPP, MANGO_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(-2000, MANGO_STATUS_TLS);
}

TEST(MangoLibrary, the_software_context_offloads_tcp_and_nothing_else) {
  Engine engine;
  bool enabled = false;
  EXPECT_EQ(MANGO_STATUS_OK, mango_context_check_feature(engine.context, MANGO_HW_FEATURE_TOE, &enabled));
  EXPECT_TRUE(enabled);
  EXPECT_EQ(MANGO_STATUS_OK, mango_context_check_feature(engine.context, MANGO_HW_FEATURE_RDMA, &enabled));
  EXPECT_FALSE(enabled);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT,
            mango_context_check_feature(engine.context, static_cast<mango_hw_feature_e>(3), &enabled));
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, mango_context_set_hw_accel(engine.context, MANGO_HW_ACCEL_DPU, 0));
}
