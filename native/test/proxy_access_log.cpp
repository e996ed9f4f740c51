// SPDX-License-Identifier: Apache-2.0
#include "proxy/access_log.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace mango::proxy {
namespace {

namespace fs = std::filesystem;

class AccessLogFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "mango-log-XXXXXX").string();
    ASSERT_NE(nullptr, ::mkdtemp(pattern.data()));
    folder = pattern;
    path = folder / "access.log";
  }
  void TearDown() override { fs::remove_all(folder); }

  [[nodiscard]] std::unique_ptr<AccessLog> open(size_t workers = 1) {
    std::string error;
    auto log = AccessLog::open(path, workers, error);
    EXPECT_NE(nullptr, log) << error;
    return log;
  }
  [[nodiscard]] static std::string read(const fs::path& file) {
    std::ostringstream all;
    all << std::ifstream(file).rdbuf();
    return all.str();
  }
  template <typename Predicate>
  [[nodiscard]] static bool eventually(const Predicate& is_so) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::yield();
    }
    return true;
  }

  fs::path folder;
  fs::path path;
};

TEST(ByteRing, TakesAllOrNothing) {
  ByteRing ring(8);
  EXPECT_TRUE(ring.put("12345"));
  EXPECT_FALSE(ring.put("6789"));
  EXPECT_EQ("12345", ring.front());
  EXPECT_TRUE(ring.put("678"));
  EXPECT_FALSE(ring.put("9"));
  ring.drop(8);
  EXPECT_TRUE(ring.front().empty());
}

TEST(ByteRing, GivesWhatWrapsInTwoRuns) {
  ByteRing ring(8);
  ASSERT_TRUE(ring.put("123456"));
  ring.drop(6);
  ASSERT_TRUE(ring.put("abcd"));
  EXPECT_EQ("ab", ring.front());
  ring.drop(2);
  EXPECT_EQ("cd", ring.front());
}

TEST(ByteRing, CarriesBytesBetweenTwoThreadsInOrder) {
  ByteRing ring(257);
  constexpr size_t kBytes = 500'000;
  std::thread writer([&ring] {
    std::mt19937 random(1);
    std::string piece;
    for (size_t at = 0; at < kBytes;) {
      piece.clear();
      for (size_t left = 1 + random() % 60; left > 0 && at + piece.size() < kBytes; --left)
        piece += static_cast<char>((at + piece.size()) % 251);
      while (!ring.put(piece)) std::this_thread::yield();
      at += piece.size();
    }
  });
  size_t at = 0;
  bool same = true;
  while (at < kBytes) {
    const std::string_view run = ring.front();
    for (const char c : run) same = same && static_cast<unsigned char>(c) == at++ % 251;
    ring.drop(run.size());
    if (run.empty()) std::this_thread::yield();
  }
  writer.join();
  EXPECT_TRUE(same);
}

TEST_F(AccessLogFile, IsOffWithoutAPath) {
  std::string error;
  const auto log = AccessLog::open("", 2, error);
  ASSERT_NE(nullptr, log);
  EXPECT_FALSE(log->enabled());
  log->reopen();
  EXPECT_EQ(0U, log->dropped());
}

TEST_F(AccessLogFile, SaysWhichFileItCannotOpen) {
  std::string error;
  EXPECT_EQ(nullptr, AccessLog::open(folder / "no" / "such", 1, error));
  EXPECT_NE(std::string::npos, error.find("no/such")) << error;
}

TEST_F(AccessLogFile, HasWrittenAllWhenItIsClosed) {
  for (int round = 0; round < 50; ++round) {
    auto log = open(2);
    for (int i = 0; i < 100; ++i) {
      log->put(0, "zero\n");
      log->put(1, "one\n");
      if (i % 10 == 0) log->wake();
    }
    log.reset();
    ASSERT_EQ(static_cast<uintmax_t>((round + 1) * 900), fs::file_size(path)) << "appended, and whole";
  }
}

TEST_F(AccessLogFile, DropsAndCountsWhatDoesNotFit) {
  auto log = open();
  const std::string line(1000, 'x');
  for (int i = 0; i < 3000; ++i) log->put(0, line + "\n");  // nobody woke the writer
  const uint64_t dropped = log->dropped();
  EXPECT_GT(dropped, 0U);
  log->wake();
  EXPECT_TRUE(eventually([&] { return log->written() + dropped == 3000; }));
  EXPECT_EQ(dropped, log->dropped());
}

TEST_F(AccessLogFile, CountsWhatAFullDiskRefuses) {
  path = "/dev/full";
  auto log = open();
  for (int i = 0; i < 10; ++i) log->put(0, "line\n");
  log->wake();
  EXPECT_TRUE(eventually([&] { return log->dropped() == 10; }));
  EXPECT_EQ(0U, log->written());
}

TEST_F(AccessLogFile, GoesOnInANewFileAfterRotation) {
  auto log = open();
  log->put(0, "old\n");
  log->wake();
  ASSERT_TRUE(eventually([&] { return log->written() == 1; }));
  fs::rename(path, folder / "access.log.1");
  log->reopen();
  ASSERT_TRUE(eventually([&] { return fs::exists(path); }));
  log->put(0, "new\n");
  log.reset();
  EXPECT_EQ("old\n", read(folder / "access.log.1"));
  EXPECT_EQ("new\n", read(path));
}

TEST_F(AccessLogFile, KeepsTheOldFileIfTheNewOneCannotBeOpened) {
  auto log = open();
  fs::rename(path, folder / "kept");
  fs::create_directory(path);
  log->reopen();
  log->put(0, "line\n");
  log.reset();
  EXPECT_EQ("line\n", read(folder / "kept"));
}

}  // namespace
}  // namespace mango::proxy
