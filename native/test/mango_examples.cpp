// SPDX-License-Identifier: Apache-2.0
// The examples under native/examples, as programs of their own, on both engines.
#include <openssl/pem.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "mango_conformance.h"

namespace mango_test {
namespace {

// In "examples" beside the test program, unless MANGO_EXAMPLES says otherwise.
std::string program_of(const std::string& example) {
  if (const char* folder = std::getenv("MANGO_EXAMPLES")) return std::string(folder) + "/" + example;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "examples" / example;
}

// An example under way: ended with the object. A server says on which port it listens.
class Example {
 public:
  Example(const std::string& name, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_of(name));
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    int output[2] = {-1, -1};
    EXPECT_EQ(0, pipe2(output, O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    EXPECT_EQ(0, posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ)) << pointers[0];
    posix_spawn_file_actions_destroy(&actions);
    ::close(output[1]);
    output_ = output[0];
  }
  ~Example() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    ::close(output_);
  }
  Example(const Example&) = delete;
  Example& operator=(const Example&) = delete;

  [[nodiscard]] uint16_t port() const {
    std::string line;
    char one = 0;
    while (read(output_, &one, 1) == 1 && one != '\n') line += one;
    EXPECT_EQ(0U, line.rfind("port ", 0)) << line;
    return static_cast<uint16_t>(std::atoi(line.substr(line.find(' ') + 1).c_str()));
  }
  void signal(int number) const { ::kill(pid_, number); }
  int exit_status() {
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

// A certificate and its key in files, removed with the object.
class CertificateFiles {
 public:
  CertificateFiles() {
    const SslContext context = server_context();
    write(certificate(), [&](FILE* file) { PEM_write_X509(file, SSL_CTX_get0_certificate(context.get())); });
    write(key(), [&](FILE* file) {
      PEM_write_PrivateKey(file, SSL_CTX_get0_privatekey(context.get()), nullptr, nullptr, 0, nullptr,
                           nullptr);
    });
  }
  ~CertificateFiles() {
    std::filesystem::remove(certificate());
    std::filesystem::remove(key());
  }
  [[nodiscard]] std::string certificate() const { return base_ + ".crt"; }
  [[nodiscard]] std::string key() const { return base_ + ".key"; }

 private:
  template <class Print>
  static void write(const std::string& path, Print print) {
    FILE* file = std::fopen(path.c_str(), "w");
    ASSERT_NE(nullptr, file) << path;
    print(file);
    std::fclose(file);
  }
  const std::string base_ =
      std::filesystem::temp_directory_path() / ("mango-example-" + std::to_string(getpid()));
};

std::string read_line(int fd) {
  std::string line;
  char one = 0;
  while (recv(fd, &one, 1, 0) == 1 && one != '\n') line += one;
  return line;
}

}  // namespace

class MangoExamples : public Conformance {
 protected:
  [[nodiscard]] std::string engine() const { return on_device() ? DeviceProcess::shared().path() : "kernel"; }
};

TEST_P(MangoExamples, the_references_own_sends_to_its_server) {
  if (!on_device()) GTEST_SKIP() << "the reference's example runs on a device";
  RawListener server;
  Example example("reference_example", {std::to_string(ntohs(server.address().sin_port)), engine()});
  const int fd = own_fd(server.accept());
  size_t total = 0;
  char buffer[4096];
  for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) total += static_cast<size_t>(n);
  EXPECT_EQ(128U * 1000U, total);
  EXPECT_EQ(0, example.exit_status());
}

TEST_P(MangoExamples, the_tls_echo_server_echoes_one_client_after_the_other) {
  const CertificateFiles files;
  const Example example("tls_echo_server", {files.certificate(), files.key(), engine()});
  const uint16_t port = example.port();
  const SslContext context_of_clients = client_context();
  for (int round = 0; round < 3; ++round) {
    RawPeer peer(port);
    const Ssl ssl = client_ssl(context_of_clients, peer.fd());
    const std::string bytes = pattern(10'000);
    ASSERT_EQ(static_cast<int>(bytes.size()),
              SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size())));
    std::string got(bytes.size(), '\0');
    for (size_t at = 0; at < got.size();) {
      const int n = SSL_read(ssl.get(), got.data() + at, static_cast<int>(got.size() - at));
      ASSERT_GT(n, 0);
      at += static_cast<size_t>(n);
    }
    EXPECT_TRUE(bytes == got);
    SSL_shutdown(ssl.get());
    char byte = 0;
    EXPECT_EQ(0, SSL_read(ssl.get(), &byte, 1));
    EXPECT_EQ(SSL_ERROR_ZERO_RETURN, SSL_get_error(ssl.get(), 0)) << "a close_notify, not a cut";
  }
}

TEST_P(MangoExamples, the_epoll_server_echoes_many_clients_at_once) {
  const Example example("epoll_server", {engine()});
  const uint16_t port = example.port();
  std::list<RawPeer> peers;
  for (int i = 0; i < 50; ++i) peers.emplace_back(port);
  const std::string bytes = pattern(100'000);
  int number = 0;
  for (RawPeer& peer : peers) peer.send(std::to_string(100 + number++) + bytes);
  number = 0;
  for (RawPeer& peer : peers) {
    shutdown(peer.fd(), SHUT_WR);
    std::string got;
    EXPECT_EQ(0, peer.read_to_end(&got));
    EXPECT_TRUE(std::to_string(100 + number++) + bytes == got);
  }
}

TEST_P(MangoExamples, the_reset_handler_is_back_after_a_reset) {
  const Example example("reset_handler", {engine()});
  const uint16_t port = example.port();
  for (int resets = 0; resets < 3; ++resets) {
    RawPeer peer(port);
    EXPECT_EQ("resets " + std::to_string(resets), read_line(peer.fd()));
    example.signal(SIGHUP);
    EXPECT_EQ(ECONNRESET, peer.read_to_end());
    // The port is closed for the moment of the reset.
    pollfd none{-1, 0, 0};
    for (int fd = -1; fd < 0; (void)poll(&none, 1, 1)) {
      const sockaddr_in address = loopback(port);
      fd = ::socket(AF_INET, SOCK_STREAM, 0);
      const bool refused = ::connect(fd, as_sockaddr(address), sizeof(address)) != 0;
      ::close(fd);
      if (refused) fd = -1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, MangoExamples, ::testing::Values(EngineKind::kKernel, EngineKind::kDevice),
                         name_of_engine);

}  // namespace mango_test
